"""Image-to-image with a diffusion prior: noise an image part of the way, then denoise it in several steps.

SDEdit (arXiv:2108.01073) with DDIM steps (arXiv:2010.02502), as DreamGaussian refines textures (arXiv:2309.16653,
sec. 3.4). B views.
"""

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .denoiser import Denoiser
from .methods.ddim_inversion import ddim_step


def denoising_levels(start: int, num_steps: int) -> Int[Tensor, "num_steps"]:
    """Timesteps from `start` down, evenly spaced, at each of which the network is asked once; fewer when they coincide.

    Raises:
        ValueError: no step, or a start below 1.
    """
    if num_steps < 1 or start < 1:
        raise ValueError(f"denoising needs at least 1 step from timestep 1 or above, got {num_steps} from {start}")
    levels = torch.linspace(start, 0, num_steps + 1).round().long()[:-1]
    return levels[levels > 0].unique().flip(0)


def denoise(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    noise: Float[Tensor, "B ..."],
    levels: Int[Tensor, "L"],
) -> Float[Tensor, "B ..."]:
    """The clean latents at the end of the way from a_t x + s_t noise, t the first level, down to the last one.

    Cost: L evaluations a view, twice that under guidance.
    """
    times = levels[:, None].expand(-1, len(latents))
    noisy = denoiser.schedule.add_noise(latents, noise, times[0])
    for current, following in pairwise(times):
        noisy = ddim_step(denoiser.schedule, noisy, denoiser.guided(noisy, current), current, following)
    return denoiser.schedule.clean_from_noise(noisy, denoiser.guided(noisy, times[-1]), times[-1])
