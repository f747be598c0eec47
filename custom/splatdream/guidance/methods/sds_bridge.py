"""Score distillation as a bridge between image distributions (arXiv:2406.09417).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..classifier_free import guide
from ..denoiser import Denoiser, Text
from .declaration import GuidanceMethod


def sds_bridge_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    bridge: Annotated[float, OptionRange(0, 1)] = 1.0,
) -> Float[Tensor, "B ..."]:
    """(1 - b) [e^s(x_t) - eps] + b s [e(x_t; y) - e(x_t; source)]: SDS first, then from what is there to the text.

    The source text says what SDS gets wrong. At s = 1 and b = 1 it is the paper's equation; s in front keeps the second
    stage near the size of the first. Cost: 2 evaluations a view, 3 for 0 < b < 1.

    Args:
        bridge: b, 0 in the first stage and 1 in the second.
    """
    noisy_latents, scale = denoiser.schedule.add_noise(latents, noise, timesteps), denoiser.guidance_scale
    if bridge == 0.0:
        return denoiser.guided(noisy_latents, timesteps) - noise
    if bridge == 1.0:
        source, conditional = denoiser.predict(noisy_latents, timesteps, Text.SOURCE, Text.CONDITIONAL)
        return scale * (conditional - source)
    negative, source, conditional = denoiser.predict(
        noisy_latents, timesteps, Text.UNCONDITIONAL, Text.SOURCE, Text.CONDITIONAL
    )
    first = guide(negative, conditional, scale) - noise
    return (1 - bridge) * first + bridge * scale * (conditional - source)


SDS_BRIDGE = GuidanceMethod(
    name="sds_bridge",
    gradient=sds_bridge_gradient,
    summary="e^s(x_t) - eps, then s [e(y) - e(source)]",
    paper="arXiv:2406.09417",
    cost="2; 3 while 0 < b < 1",
    without_rescale="its second stage is a difference of predictions",
    needs_source=True,
)
