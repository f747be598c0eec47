"""x_0 reconstruction with rescaled guidance (MVDream, arXiv:2308.16512).

B views in groups that the prior looks at together.
"""

from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from ...options.option_range import OptionRange
from ..classifier_free import guide, rescale
from ..denoiser import Denoiser
from .declaration import GuidanceMethod


def x0_reconstruction_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    x0_rescale: Annotated[float, OptionRange(0, 1)] = 0.5,
) -> Float[Tensor, "B ..."]:
    """x - x_0, x_0 being the denoised a_t x + s_t eps, rescaled to the spread of the one denoised without guidance.

    Without rescaling it is SDS times s_t / a_t. Cost: 2 evaluations a view.

    Args:
        x0_rescale: share of the rescaled x_0 (0.5 in MVDream's code, 0.7 in the paper); over the views of a group.
    """
    schedule = denoiser.schedule
    noisy_latents = schedule.add_noise(latents, noise, timesteps)
    if denoiser.guidance_scale == 1.0:
        predicted = denoiser.conditional(noisy_latents, timesteps)
        return latents - schedule.clean_from_noise(noisy_latents, predicted, timesteps)
    unconditional, conditional = denoiser.both(noisy_latents, timesteps)
    predicted = guide(unconditional, conditional, denoiser.guidance_scale)
    clean = schedule.clean_from_noise(noisy_latents, predicted, timesteps)
    unguided_clean = schedule.clean_from_noise(noisy_latents, conditional, timesteps)
    return latents - rescale(clean, unguided_clean, x0_rescale, denoiser.views_per_group)


X0_RECONSTRUCTION = GuidanceMethod(
    name="x0_reconstruction",
    gradient=x0_reconstruction_gradient,
    summary="x - x_0, x_0 denoised under rescaled guidance",
    paper="MVDream, arXiv:2308.16512",
    cost="2",
    without_rescale="set guidance.method_options.x0_rescale",
)
