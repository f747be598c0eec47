"""Score distillation via inversion (SDI, arXiv:2405.15891, eq. 10 and sec. 5).

B views.
"""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..denoiser import Denoiser
from .ddim_inversion import inversion_levels, invert
from .declaration import GuidanceMethod


def sdi_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    inversion_steps: Annotated[float, OptionRange(1, 1000, "without inversion it is SDS: guidance.method=sds")] = 10,
    inversion_guidance_scale: float = -7.5,
    eta: Annotated[float, OptionRange(0, 1)] = 0.3,
    generator: torch.Generator,
) -> Float[Tensor, "B ..."]:
    """e^s(a_t x + s_t k; y, t) - k with k, in place of random noise, the noise that DDIM inversion finds in the image.

    The image is inverted to a little above t (by less than one inversion step), where the noise is read off.
    Cost: 2 ceil(t / T * inversion_steps) evaluations a view (one more step if the little above crosses one), 2 at t.

    Args:
        inversion_steps: steps from the image to the end of the schedule; 0 uses `noise`, which is SDS.
        inversion_guidance_scale: s of the predictions on the way up; negative (sec. 5).
        eta: share of DDPM's noise added on the way.
        generator: of that noise and of the little above.
    """
    found = noise
    if inversion_steps > 0:
        num_timesteps = len(denoiser.schedule)
        spacing = num_timesteps // round(inversion_steps)
        above = int(torch.randint(spacing, (1,), generator=generator))
        targets = (timesteps + above).clamp(max=num_timesteps - 1)

        def predict(moving: Denoiser, noisy_latents: Tensor, at: Tensor) -> Tensor:
            return moving.guided(noisy_latents, at, inversion_guidance_scale)

        inverted = invert(
            denoiser, predict, latents, noise, inversion_levels(targets, spacing), eta=eta, generator=generator
        )
        found = denoiser.schedule.noise_from_clean(inverted, latents, targets)
    noisy_latents = denoiser.schedule.add_noise(latents, found, timesteps)
    return denoiser.guided(noisy_latents, timesteps) - found


SDI = GuidanceMethod(
    name="sdi",
    gradient=sdi_gradient,
    summary="e^s(a_t x + s_t k) - k, k the noise DDIM inversion finds in x",
    paper="arXiv:2405.15891",
    cost="2 ceil(10 t / T) + 2, or 2 more",
)
