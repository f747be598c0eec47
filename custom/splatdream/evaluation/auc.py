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
    return float(_wins(positives, negatives)) / (len(positives) * len(negatives))


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
    p, q = (
        [torch.tensor(side.get(name, ()), dtype=torch.float64) for name in objects] for side in (positives, negatives)
    )
    value = area_under_curve(torch.cat(p), torch.cat(q))
    # An object that is drawn c times brings each of its pairs with another c times as often.
    pairs = torch.tensor([[len(a) * len(b) for b in q] for a in p], dtype=torch.float64)
    wins = torch.stack([torch.stack([_wins(a, b) for b in q]) for a in p])
    picks = torch.randint(len(objects), (num_resamples, len(objects)), generator=generator)
    counts = torch.nn.functional.one_hot(picks, len(objects)).sum(dim=1).double()
    all_pairs = torch.einsum("ri,ij,rj->r", counts, pairs, counts)
    draws = torch.einsum("ri,ij,rj->r", counts, wins, counts)[all_pairs > 0] / all_pairs[all_pairs > 0]
    low, high = draws.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
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


def _wins(positives: Float[Tensor, "P"], negatives: Float[Tensor, "Q"]) -> Float[Tensor, ""]:
    """The number of pairs whose positive is larger, ties counting half."""
    differences = positives[:, None] - negatives
    return (differences > 0).double().sum() + 0.5 * (differences == 0).sum()
