"""Variational score distillation (VSD, ProlificDreamer, arXiv:2305.16213) and the entropic one (ESD, arXiv:2401.00909).

B views.
"""

from dataclasses import replace
from functools import partial
from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..classifier_free import guide
from ..denoiser import Denoiser
from .declaration import GuidanceMethod
from .lora import LoraParticles
from .particles import ParticleScore, of_this_step


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
    score costs 2 more.

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


esd_gradient = partial(vsd_gradient, camera_guidance_scale=0.5)
"""VSD whose own score half forgets the camera, so that views that look alike are driven apart; 0 compares each view
with all views, the full entropy term. 0.5 in the authors' repository, where it is `guidance_scale_lora`."""

VSD = GuidanceMethod(
    name="vsd",
    gradient=vsd_gradient,
    summary="e^s(x_t) - e_lora(x_t; camera)",
    paper="ProlificDreamer, arXiv:2305.16213",
    cost="2 + 1, and 2 to learn",
    learner=LoraParticles,
    stand_in=of_this_step,
)
ESD = replace(
    VSD,
    name="esd",
    gradient=esd_gradient,
    summary="e^s(x_t) - [e_lora(x_t) + 0.5 (e_lora(x_t; camera) - e_lora(x_t))]",
    paper="arXiv:2401.00909",
    cost="2 + 2, and 2 to learn",
)
