"""Weights w(t) of the distillation gradient, by name.

B views; a_t and s_t are the scales of the clean image and of the noise at timestep t.
"""

from collections.abc import Callable, Mapping

from jaxtyping import Float, Int
from torch import Tensor

from ..priors.noise_process import NoiseProcess

Weighting = Callable[[Tensor, Tensor], Tensor]
"""(a_t^2, s_t^2) -> w(t)."""


WEIGHTINGS: Mapping[str, Weighting] = {
    "sigma_squared": lambda signal, sigma: sigma,  # DreamFusion, arXiv:2209.14988, sec. 3
    "uniform": lambda signal, sigma: sigma.new_ones(sigma.shape),
    "fantasia3d": lambda signal, sigma: signal.sqrt() * sigma,  # a_t s_t^2; arXiv:2303.13873
    "noise_to_signal": lambda signal, sigma: (sigma / signal).sqrt(),  # s_t / a_t; LucidDreamer, arXiv:2311.11284
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
