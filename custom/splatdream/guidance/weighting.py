"""Weights w(t) of the distillation gradient, by name.

B views; a_t^2 = alphas_cumprod[t], s_t^2 = 1 - a_t^2.
"""

from collections.abc import Callable, Mapping

from jaxtyping import Float, Int
from torch import Tensor

from ..priors.noise_schedule import NoiseSchedule

Weighting = Callable[[Tensor], Tensor]


def _sigma_squared(alphas_cumprod: Tensor) -> Tensor:
    return 1 - alphas_cumprod


def _uniform(alphas_cumprod: Tensor) -> Tensor:
    return alphas_cumprod.new_ones(alphas_cumprod.shape)


def _fantasia3d(alphas_cumprod: Tensor) -> Tensor:
    return alphas_cumprod.sqrt() * (1 - alphas_cumprod)


def _noise_to_signal(alphas_cumprod: Tensor) -> Tensor:
    return ((1 - alphas_cumprod) / alphas_cumprod).sqrt()


WEIGHTINGS: Mapping[str, Weighting] = {
    "sigma_squared": _sigma_squared,  # DreamFusion, arXiv:2209.14988, sec. 3
    "uniform": _uniform,
    "fantasia3d": _fantasia3d,  # a_t s_t^2; arXiv:2303.13873
    "noise_to_signal": _noise_to_signal,  # s_t / a_t; LucidDreamer, arXiv:2311.11284
}


def timestep_weights(
    name: str, schedule: NoiseSchedule, timesteps: Int[Tensor, "B"], like: Float[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """w(t) of every view, shaped to broadcast against `like`.

    Raises:
        ValueError: the name is none of WEIGHTINGS.
    """
    if name not in WEIGHTINGS:
        raise ValueError(f"guidance weighting {name!r} is unknown; choose one of {', '.join(WEIGHTINGS)}")
    alphas_cumprod = schedule.alphas_cumprod.to(like)[timesteps.to(like.device)]
    return WEIGHTINGS[name](alphas_cumprod).reshape(-1, *[1] * (like.ndim - 1))
