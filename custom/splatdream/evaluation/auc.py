"""How well a number tells two classes apart: area under the ROC curve, its interval, and the best threshold.

O objects; a number below is that of one result made from an object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Auc:
    """Probability that a positive has a larger number than a negative, ties counting half."""

    value: float
    low: float
    """Of the 95 % percentile interval, bootstrapped over objects."""
    high: float


def area_under_curve(positives: Float[Tensor, "P"], negatives: Float[Tensor, "Q"]) -> float:
    """The Mann-Whitney statistic over P Q.

    Raises:
        ValueError: a class is empty.
    """
    if not len(positives) or not len(negatives):
        raise ValueError(f"an AUC needs both classes, got {len(positives)} positives and {len(negatives)} negatives")
    differences = positives[:, None] - negatives
    return float(((differences > 0).double() + 0.5 * (differences == 0)).mean())


def auc_with_interval(
    positives: Mapping[str, Sequence[float]],
    negatives: Mapping[str, Sequence[float]],
    generator: torch.Generator,
    num_resamples: int = 2000,
) -> Auc:
    """The AUC of numbers by object; an object that is drawn brings all its numbers, of both classes.

    Raises:
        ValueError: a class is empty.
    """
    objects = sorted(set(positives) | set(negatives))

    def auc_of(names: Sequence[str]) -> float:
        p, q = ([number for name in names for number in side.get(name, ())] for side in (positives, negatives))
        return area_under_curve(torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64))

    value = auc_of(objects)
    draws = []
    while len(draws) < num_resamples:
        names = [objects[i] for i in torch.randint(len(objects), (len(objects),), generator=generator)]
        if any(name in positives for name in names) and any(name in negatives for name in names):
            draws.append(auc_of(names))
    low, high = torch.tensor(draws, dtype=torch.float64).quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    return Auc(value, low, high)


def best_threshold(positives: Float[Tensor, "P"], negatives: Float[Tensor, "Q"]) -> float:
    """The threshold above which numbers are called positive with the largest balanced accuracy.

    In the middle of the widest gap between numbers that gives it.
    """
    values = torch.cat([positives, negatives]).unique()
    if len(values) == 1:
        return float(values)
    middles = (values[1:] + values[:-1]) / 2
    accuracy = (positives > middles[:, None]).double().mean(dim=1) + (negatives <= middles[:, None]).double().mean(
        dim=1
    )
    gaps = (values[1:] - values[:-1]).masked_fill(accuracy < accuracy.max() - 1e-9, -1)
    return float(middles[gaps.argmax()])
