"""Noise-free score distillation (NFSD, arXiv:2310.17590).

B views.
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ...storage.device_copies import sent
from ..denoiser import Denoiser, Text
from .declaration import GuidanceMethod


def nfsd_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    low_noise_fraction: Annotated[float, OptionRange(0, 1)] = 0.2,
) -> Float[Tensor, "B ..."]:
    """d_D + s [e(y) - e(empty)]; d_D = e(empty) at low noise, else e(empty) - e(negative); e at a_t x + s_t eps.

    The unconditional prediction is read as a correction toward the domain of images plus the noise itself; the negative
    prompt, a list of defects, tells the correction apart from the noise. Without a negative prompt d_D is 0 above the
    threshold. Cost: 3 evaluations a view, 2 without a negative prompt.

    Args:
        low_noise_fraction: share of the schedule below which the noise is small enough to be ignored.
    """
    noisy_latents = denoiser.schedule.add_noise(latents, noise, timesteps)
    empty, negative, conditional = denoiser.predict(
        noisy_latents, timesteps, Text.EMPTY, Text.UNCONDITIONAL, Text.CONDITIONAL
    )
    is_low = sent(timesteps < low_noise_fraction * len(denoiser.schedule), latents.device)
    is_low = is_low.reshape(-1, *[1] * (latents.ndim - 1))
    toward_images = empty - torch.where(is_low, torch.zeros_like(negative), negative)
    return toward_images + denoiser.guidance_scale * (conditional - empty)


NFSD = GuidanceMethod(
    name="nfsd",
    gradient=nfsd_gradient,
    summary="d_D + s [e(y) - e(0)]; d_D = e(0) for t < 0.2 T, else e(0) - e(n)",
    paper="arXiv:2310.17590",
    cost="3",
    without_rescale="its gradient is a sum of differences of predictions",
)
