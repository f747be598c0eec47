"""Weights w(t) of the distillation gradient, by name.

B views; a_t and s_t are the scales of the clean image and of the noise at timestep t.
"""

from collections.abc import Callable, Mapping

from jaxtyping import Float, Int
from torch import Tensor

from ..priors.noise_process import NoiseProcess

Weighting = Callable[[Tensor, Tensor], Tensor]
"""(a_t^2, s_t^2) -> w(t)."""


def _sigma_squared(signal_squared: Tensor, sigma_squared: Tensor) -> Tensor:
    return sigma_squared


def _uniform(signal_squared: Tensor, sigma_squared: Tensor) -> Tensor:
    return sigma_squared.new_ones(sigma_squared.shape)


def _fantasia3d(signal_squared: Tensor, sigma_squared: Tensor) -> Tensor:
    return signal_squared.sqrt() * sigma_squared


def _noise_to_signal(signal_squared: Tensor, sigma_squared: Tensor) -> Tensor:
    return (sigma_squared / signal_squared).sqrt()


WEIGHTINGS: Mapping[str, Weighting] = {
    "sigma_squared": _sigma_squared,  # DreamFusion, arXiv:2209.14988, sec. 3
    "uniform": _uniform,
    "fantasia3d": _fantasia3d,  # a_t s_t^2; arXiv:2303.13873
    "noise_to_signal": _noise_to_signal,  # s_t / a_t; LucidDreamer, arXiv:2311.11284
}


def timestep_weights(
    name: str, schedule: NoiseProcess, timesteps: Int[Tensor, "B"], like: Float[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """w(t) of every view, shaped to broadcast against `like`.

    Raises:
        ValueError: the name is none of WEIGHTINGS.
    """
    if name not in WEIGHTINGS:
        raise ValueError(f"guidance weighting {name!r} is unknown; choose one of {', '.join(WEIGHTINGS)}")
    return WEIGHTINGS[name](*schedule.squared_scales(timesteps, like))
