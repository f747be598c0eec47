"""Intervals for means of paired differences.

P pairs.
"""

from collections.abc import Sequence
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor


def paired_bootstrap_interval(
    differences: Float[Tensor, "P"],
    generator: torch.Generator,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of paired differences (Efron and Tibshirani, 1993, ch. 13)."""
    if len(differences) == 0:
        raise ValueError("an interval needs at least one pair")
    picks = torch.randint(len(differences), (num_resamples, len(differences)), generator=generator)
    means = differences.double()[picks].mean(dim=1)
    tail = (1 - confidence) / 2
    low, high = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return low, high


def difference_text(differences: Sequence[float], digits: int, unit: str = "") -> str:
    """The mean of paired differences with its 95 % interval, e.g. "+3.0 dB [+1.0, +5.0]"."""
    low, high = paired_bootstrap_interval(torch.tensor(differences), torch.Generator().manual_seed(0))
    return f"{mean_text(differences, digits, unit)} [{low:+.{digits}f}, {high:+.{digits}f}]"


def mean_text(differences: Sequence[float], digits: int, unit: str = "") -> str:
    """The mean of differences with its sign, e.g. "+3.0 dB"."""
    return f"{fmean(differences):+.{digits}f} {unit}".strip()
