"""Intervals for means of paired differences.

P pairs.
"""

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
