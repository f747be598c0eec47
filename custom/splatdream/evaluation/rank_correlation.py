"""Whether one number rises with another: Spearman's rank correlation, and its interval.

R results, made from some objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class RankCorrelation:
    """1 where one number always rises with the other, -1 where it always falls, near 0 where neither."""

    value: float
    low: float
    """With `high`, the 95 % percentile interval, bootstrapped over objects."""
    high: float


def rank_correlation(
    first: Sequence[float],
    second: Sequence[float],
    objects: Sequence[str],
    generator: torch.Generator,
    num_resamples: int = 500,
) -> RankCorrelation | None:
    """Of two numbers a result; None where one of them is the same for all.

    Args:
        objects: what each result was made from; an object that is drawn brings all of its results.
    """
    from scipy.stats import spearmanr

    pairs = np.stack([first, second], axis=1)
    if (pairs == pairs[0]).all(axis=0).any():
        return None
    rows = [np.flatnonzero(np.array(objects) == name) for name in sorted(set(objects))]
    picks = torch.randint(len(rows), (num_resamples, len(rows)), generator=generator).tolist()
    drawn = [pairs[np.concatenate([rows[index] for index in pick])] for pick in picks]
    values = [spearmanr(draw).statistic for draw in drawn if not (draw == draw[0]).all(axis=0).any()]
    low, high = np.quantile(values, (0.025, 0.975))
    return RankCorrelation(float(spearmanr(pairs).statistic), float(low), float(high))
