"""Score Jacobian chaining (SJC, arXiv:2212.00774).

B views.
"""

from jaxtyping import Float, Int
from torch import Tensor

from ..denoiser import Denoiser
from .declaration import GuidanceMethod


def sjc_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
    *,
    is_variance_reduced: bool = True,
) -> Float[Tensor, "B ..."]:
    """(x - D) / r, D being the denoised x + r eps and r = s_t / a_t: perturb-and-average scoring.

    That is e^s - eps, the direction of SDS: the methods differ in weight and in the choice of noise levels only.
    Cost: 2 evaluations a view.

    Args:
        is_variance_reduced: False measures from the perturbed x + r eps instead of from x, which leaves e^s alone: the
            same mean over eps, a larger variance.
    """
    schedule = denoiser.schedule
    noisy_latents = schedule.add_noise(latents, noise, timesteps)
    predicted = denoiser.guided(noisy_latents, timesteps)
    signal, sigma = schedule.signal_and_noise_scales(timesteps, latents)
    denoised = schedule.clean_from_noise(noisy_latents, predicted, timesteps)
    origin = latents if is_variance_reduced else noisy_latents / signal
    return (origin - denoised) * signal / sigma


SJC = GuidanceMethod(
    name="sjc",
    gradient=sjc_gradient,
    summary="(x - D) / (s_t / a_t) = e^s(x_t) - eps",
    paper="arXiv:2212.00774",
    cost="2",
)
