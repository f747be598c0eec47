"""Time-prioritized timesteps: they only fall, and linger where the prior decides most (DreamTime, arXiv:2306.12422).

T timesteps.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ..priors.noise_schedule import NoiseSchedule


def time_prior(
    schedule: NoiseSchedule, high: float = 800, low: float = 500, high_width: float = 300, low_width: float = 100
) -> Float[Tensor, "T"]:
    """W(t), proportional to s_t / a_t times a bump that is flat from `low` to `high`; it sums to 1.

    Args:
        high: m_1, timestep of 1000 above which the bump falls like a Gaussian of standard deviation `high_width`.
        low: m_2, below which it falls with `low_width`.
    """
    alphas_cumprod = schedule.alphas_cumprod.double()
    timesteps = torch.arange(len(schedule), dtype=torch.float64) * (1000 / len(schedule))
    above, below = (timesteps - high).clamp(min=0), (low - timesteps).clamp(min=0)
    bump = torch.exp(-above.square() / (2 * high_width**2) - below.square() / (2 * low_width**2))
    weights = bump.to(alphas_cumprod.device) * ((1 - alphas_cumprod) / alphas_cumprod).sqrt()
    return weights / weights.sum()


def prioritized_timestep(first: int, last: int, progress: float, schedule: NoiseSchedule) -> int:
    """t in [first, last] above which a share `progress` of the weight in that range lies: `last` at 0, `first` at 1."""
    weights = time_prior(schedule)[first : last + 1].cpu()
    # Weight at or above each timestep of the range; it falls from 1 at `first`.
    remaining = weights.flip(0).cumsum(0).flip(0) / weights.sum()
    if progress >= 1.0:
        return first
    return first + int((remaining - progress).abs().argmin())
