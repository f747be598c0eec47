"""Which timesteps a step of distillation looks at.

B views in groups of V that share one timestep.
"""

import torch
from jaxtyping import Int
from torch import Tensor


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
