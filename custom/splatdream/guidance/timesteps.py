"""Which timesteps a step of distillation looks at.

B views in groups of V that share one timestep; T timesteps of the noise process.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..priors.noise_process import NoiseProcess
from .weighting import timestep_weights


def timestep_range(min_fraction: float, max_fraction: float, num_timesteps: int) -> tuple[int, int]:
    """The first and the last timestep, both inclusive, of fractions of the schedule.

    Raises:
        ValueError: the fractions are not ordered inside [0, 1].
    """
    if not 0.0 <= min_fraction <= max_fraction <= 1.0:
        raise ValueError(
            f"timestep fractions must satisfy 0 <= min <= max <= 1, got {min_fraction} and {max_fraction}; "
            "set guidance.min_step_fraction and guidance.max_step_fraction"
        )
    last = num_timesteps - 1
    return min(int(num_timesteps * min_fraction), last), min(int(num_timesteps * max_fraction), last)


def sample_timesteps(
    first: int, last: int, num_views: int, views_per_group: int, generator: torch.Generator
) -> Int[Tensor, "B"]:
    """Uniform timesteps in [first, last]; the views of a group share theirs (MVDream, arXiv:2308.16512, sec. 3.3)."""
    if num_views % views_per_group != 0:
        raise ValueError(
            f"{num_views} views do not divide into groups of {views_per_group}; "
            f"set data.batch_size to a multiple and data.views_per_group to {views_per_group}"
        )
    groups = torch.randint(first, last + 1, (num_views // views_per_group,), generator=generator)
    return groups.repeat_interleave(views_per_group)


def time_prior(schedule: NoiseProcess) -> Float[Tensor, "T"]:
    """W(t), proportional to s_t / a_t times a bump that is flat from timestep 500 to 800 of 1000; it sums to 1.

    DreamTime's (arXiv:2306.12422), where the prior decides most: m_1 = 800, m_2 = 500; the bump falls like Gaussians
    of standard deviation 300 above and 100 below.
    """
    every = torch.arange(len(schedule))
    timesteps = every.double() * (1000 / len(schedule))
    above, below = (timesteps - 800).clamp(min=0), (500 - timesteps).clamp(min=0)
    bump = torch.exp(-above.square() / (2 * 300**2) - below.square() / (2 * 100**2))
    weights = bump * timestep_weights("noise_to_signal", schedule, every, timesteps)
    return weights / weights.sum()


def prioritized_timestep(first: int, last: int, progress: float, schedule: NoiseProcess) -> int:
    """t in [first, last] above which a share `progress` of the weight in that range lies: `last` at 0, `first` at 1.

    So timesteps only fall, and linger where the prior decides most.
    """
    weights = time_prior(schedule)[first : last + 1]
    # Weight at or above each timestep of the range; it falls from 1 at `first`.
    remaining = weights.flip(0).cumsum(0).flip(0) / weights.sum()
    if progress >= 1.0:
        return first
    return first + int((remaining - progress).abs().argmin())


Annealing = Callable[[int, int, float, NoiseProcess], int]
ANNEALINGS: Mapping[str, Annealing] = {
    "linear": lambda first, last, progress, _: round(last - (last - first) * progress),  # SDI, arXiv:2405.15891, sec. 5
    "sqrt": lambda first, last, progress, _: round(last - (last - first) * progress**0.5),  # HiFA, arXiv:2305.18766
    "dreamtime": prioritized_timestep,  # DreamTime, arXiv:2306.12422
}


def annealed_timestep(name: str, first: int, last: int, progress: float, schedule: NoiseProcess) -> int:
    """The one timestep of all views when the noise level falls from `last` to `first` during the run.

    Args:
        progress: 0 at the first step of the run, 1 at its end and after.

    Raises:
        ValueError: the name is none of ANNEALINGS.
    """
    if name not in ANNEALINGS:
        raise ValueError(f"timestep sampling {name!r} is unknown; choose uniform or one of {', '.join(ANNEALINGS)}")
    return ANNEALINGS[name](first, last, min(max(progress, 0.0), 1.0), schedule)
