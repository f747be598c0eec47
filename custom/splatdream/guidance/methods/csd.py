"""Classifier score distillation (CSD, arXiv:2310.19415).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..denoiser import Denoiser, Text
from .declaration import GuidanceMethod


def csd_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    negative_weight: Annotated[float, OptionRange(0, 1)] = 1.0,
) -> Float[Tensor, "B ..."]:
    """[e(y) - e(empty)] - v [e(negative) - e(empty)], e being predictions at a_t x + s_t eps: guidance alone.

    The guidance scale plays no part. Cost: 2 evaluations a view, 3 with a negative prompt and 0 < v < 1.

    Args:
        negative_weight: v, which the paper lowers during the run; at 1 the empty text drops out. Without a negative
            prompt it has no effect.
    """
    noisy_latents = denoiser.schedule.add_noise(latents, noise, timesteps)
    if negative_weight == 1.0:
        negative, conditional = denoiser.both(noisy_latents, timesteps)
        return conditional - negative
    if negative_weight == 0.0:
        empty, conditional = denoiser.predict(noisy_latents, timesteps, Text.EMPTY, Text.CONDITIONAL)
        return conditional - empty
    empty, negative, conditional = denoiser.predict(
        noisy_latents, timesteps, Text.EMPTY, Text.UNCONDITIONAL, Text.CONDITIONAL
    )
    return conditional - empty - negative_weight * (negative - empty)


CSD = GuidanceMethod(
    name="csd",
    gradient=csd_gradient,
    summary="[e(y) - e(0)] - v [e(n) - e(0)]",
    paper="arXiv:2310.19415",
    cost="2; 3 while 0 < v < 1",
    without_rescale="its gradient is a difference of predictions",
)
