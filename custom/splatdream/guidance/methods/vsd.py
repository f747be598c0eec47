"""Variational score distillation (VSD, ProlificDreamer, arXiv:2305.16213).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ..classifier_free import guide
from ..denoiser import Denoiser
from ..option_range import OptionRange
from .particle_score import ParticleScore


def vsd_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    camera_guidance_scale: Annotated[float, OptionRange(0)] = 1.0,
    particles: ParticleScore,
) -> Float[Tensor, "B ..."]:
    """e^s(a_t x + s_t eps; y, t) - e_particles(a_t x + s_t eps; camera, t).

    Cost: 2 evaluations a view and 1 of the particles' score, 2 if the camera guidance scale is not 1; learning that
    score costs 2 more (see `LoraScore`).

    Args:
        camera_guidance_scale: classifier-free guidance of the particles' score, "conditional" being the camera.
        particles: the score of the current particles.
    """
    noisy_latents = denoiser.schedule.add_noise(latents, noise, timesteps)
    own = particles.predict(noisy_latents, timesteps, knows_camera=True)
    if camera_guidance_scale != 1.0:
        own_of_any_view = particles.predict(noisy_latents, timesteps, knows_camera=False)
        own = guide(own_of_any_view, own, camera_guidance_scale)
    return denoiser.guided(noisy_latents, timesteps) - own
