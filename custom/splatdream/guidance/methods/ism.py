"""Interval score matching (ISM, LucidDreamer, arXiv:2311.11284).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..denoiser import Denoiser, Text
from .ddim_inversion import ddim_step, inversion_levels, invert
from .declaration import GuidanceMethod


def ism_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    interval: Annotated[float, OptionRange(1, 999, "at 0 the two predictions differ by guidance alone")] = 50,
    inversion_interval: Annotated[float, OptionRange(1)] = 200,
) -> Float[Tensor, "B ..."]:
    """e^s(x_t; y, t) - e(x_r; empty, r): x_r by DDIM inversion of the image, x_t one more step up, r = t - interval.

    Cost: ceil(r / inversion_interval) + 1 evaluations a view for the path, 2 at its end.

    Args:
        interval: delta_T, timesteps between the two predictions that are compared.
        inversion_interval: delta_S, timesteps of each step up to r.
    """
    before = (timesteps - round(interval)).clamp(min=0)
    levels = inversion_levels(before, round(inversion_interval))
    noisy_before = invert(denoiser, _predict_from_empty_text, latents, noise, levels)
    predicted_before = _predict_from_empty_text(denoiser, noisy_before, before)
    noisy_latents = ddim_step(denoiser.schedule, noisy_before, predicted_before, before, timesteps)
    return denoiser.guided(noisy_latents, timesteps) - predicted_before


def _predict_from_empty_text(denoiser: Denoiser, noisy_latents: Tensor, timesteps: Tensor) -> Tensor:
    return denoiser.predict(noisy_latents, timesteps, Text.EMPTY)[0]


ISM = GuidanceMethod(
    name="ism",
    gradient=ism_gradient,
    summary="e^s(x_t) - e(x_r; 0), x_r and x_t on the DDIM path from x, r = t - 50",
    paper="LucidDreamer, arXiv:2311.11284",
    cost="ceil(r / 200) + 3",
)
