"""Score distillation sampling (DreamFusion, arXiv:2209.14988, eq. 3).

B views.
"""

from jaxtyping import Float, Int
from torch import Tensor

from ..denoiser import Denoiser
from .declaration import GuidanceMethod


def sds_gradient(
    denoiser: Denoiser,
    latents: Float[Tensor, "B ..."],
    timesteps: Int[Tensor, "B"],
    noise: Float[Tensor, "B ..."],
) -> Float[Tensor, "B ..."]:
    """eps_hat(a_t x + s_t eps; y, t) - eps, not yet weighted by w(t). Cost: 2 evaluations a view (1 at scale 1)."""
    noisy_latents = denoiser.schedule.add_noise(latents, noise, timesteps)
    return denoiser.guided(noisy_latents, timesteps) - noise


SDS = GuidanceMethod(
    name="sds",
    gradient=sds_gradient,
    summary="e^s(x_t) - eps",
    paper="DreamFusion, arXiv:2209.14988",
    cost="2",
)
