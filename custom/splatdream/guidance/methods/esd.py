"""Entropic score distillation (ESD, arXiv:2401.00909).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ..denoiser import Denoiser
from ..option_range import OptionRange
from .particle_score import ParticleScore
from .vsd import vsd_gradient


def esd_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    camera_guidance_scale: Annotated[float, OptionRange(0)] = 0.5,
    particles: ParticleScore,
) -> Float[Tensor, "B ..."]:
    """VSD whose own score half forgets the camera, so that views that look alike are driven apart.

    Args:
        camera_guidance_scale: 1 is VSD; 0 compares each view with all views, the full entropy term. 0.5 in the authors'
            repository, where it is `guidance_scale_lora`.
        particles: the score of the current particles.
    """
    return vsd_gradient(
        denoiser,
        latents,
        timesteps,
        noise,
        camera_guidance_scale=camera_guidance_scale,
        particles=particles,
    )
