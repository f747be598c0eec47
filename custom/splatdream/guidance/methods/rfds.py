"""Rectified flow distillation sampling (RFDS and RFDS-Rev, arXiv:2406.03293, sec. 3, and the authors' code).

B views.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..denoiser import Denoiser
from .declaration import GuidanceMethod


def rfds_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
) -> Float[Tensor, "B ..."]:
    """v^s(x_t; y, t) - v, the guided velocity against that of the path from x to eps; on a flow v = eps - x.

    With x_t given, velocity and noise are one unknown: v^s - v = (e^s - eps) / a_t, so RFDS is SDS with another weight,
    1 / (1 - s_t) on a flow. Cost: 2 evaluations a view.
    """
    schedule = denoiser.schedule
    noisy_latents = schedule.add_noise(latents, noise, timesteps)
    signal, _ = schedule.signal_and_noise_scales(timesteps, latents)
    return (denoiser.guided(noisy_latents, timesteps) - noise) / signal


def rfds_rev_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    reversal_steps: Annotated[float, OptionRange(0, 100)] = 1,
    reversal_guidance_scale: float = 1.0,
) -> Float[Tensor, "B ..."]:
    """RFDS with the noise that iRFDS finds for the image, in place of random noise.

    iRFDS moves the noise against its own gradient, k + (1 - s_t) (v(x_t) - (k - x)). The step size of the authors' code
    makes that the predicted noise itself: k becomes e(a_t x + s_t k).
    Cost: 1 evaluation a view for each reversal step at scale 1, 2 at another, and 2.

    Args:
        reversal_steps: of iRFDS; 0 is RFDS.
        reversal_guidance_scale: s of their predictions.
    """
    found = noise
    for _ in range(round(reversal_steps)):
        noisy_latents = denoiser.schedule.add_noise(latents, found, timesteps)
        found = denoiser.guided(noisy_latents, timesteps, reversal_guidance_scale)
    return rfds_gradient(denoiser, latents, timesteps, found)


RFDS = GuidanceMethod(
    name="rfds",
    gradient=rfds_gradient,
    summary="v^s(x_t) - v = (e^s(x_t) - eps) / a_t; on a flow v = eps - x",
    paper="arXiv:2406.03293",
    cost="2",
)
RFDS_REV = GuidanceMethod(
    name="rfds_rev",
    gradient=rfds_rev_gradient,
    summary="(e^s(a_t x + s_t k) - k) / a_t, k = e(x_t; y) the noise iRFDS finds",
    paper="RFDS-Rev, arXiv:2406.03293",
    cost="2 + 1",
)
