"""Whether paired differences can be chance, and what is left of that when many are looked at."""

from collections.abc import Sequence

import torch

_EXACT_UP_TO = 18
_NUM_DRAWS = 20_000


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Two-sided p-value of the mean under random signs of the differences (Fisher's randomization test).

    All signs for up to 18 differences, random ones beyond.

    Raises:
        ValueError: there are no differences.
    """
    if not differences:
        raise ValueError("a test needs at least one pair")
    values = torch.tensor(differences, dtype=torch.float64)
    if len(values) <= _EXACT_UP_TO:
        ways = torch.arange(2 ** len(values))[:, None]
        signs = (ways >> torch.arange(len(values)) & 1).double() * 2 - 1
    else:
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randint(2, (_NUM_DRAWS - 1, len(values)), generator=generator).double() * 2 - 1
        signs = torch.cat([torch.ones(1, len(values), dtype=torch.float64), drawn])
    means = (signs @ values).abs()
    return float((means >= values.sum().abs() * (1 - 1e-9)).double().mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the given order (Holm, 1979)."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def pairs_needed(num_tests: int, level: float = 0.05) -> int:
    """The fewest pairs that can be significant in the first of so many tests: n pairs have p >= 2 / 2^n."""
    pairs = 1
    while num_tests * 2.0 ** (1 - pairs) > level:
        pairs += 1
    return pairs
