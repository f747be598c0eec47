"""Consistent flow distillation (CFD, arXiv:2501.05445).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..denoiser import Denoiser
from ..surface_noise import Surface, fixed_noise, surface_noise
from .declaration import GuidanceMethod
from .sds import sds_gradient


def cfd_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B C h w"],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B C h w"],
    *,
    cell_size: Annotated[float, OptionRange(1e-4, 1)] = 0.02,
    surface: Surface | None,
    seed: int,
) -> Float[Tensor, "B C h w"]:
    """e^s(a_t x + s_t k; y, t) - k with k, in place of fresh noise, noise that stays with the surface.

    With timesteps that fall during the run, it follows the probability flow from that noise. Cost: 2 evaluations, and
    a GPU is asked how many cells the rays meet.

    Args:
        cell_size: world units over which the noise is one number; about half of what a pixel of the latents sees.
        surface: what the views show; None for images without geometry, whose noise stays with the pixel.
        seed: of the noise.
    """
    kept = fixed_noise(latents, seed) if surface is None else surface_noise(surface, latents, cell_size)
    return sds_gradient(denoiser, latents, timesteps, kept)


CFD = GuidanceMethod(
    name="cfd",
    gradient=cfd_gradient,
    summary="e^s(a_t x + s_t k) - k, k noise that stays with the surface",
    paper="arXiv:2501.05445",
    cost="2",
    keeps_noise=True,
)
