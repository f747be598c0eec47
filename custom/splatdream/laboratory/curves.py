"""Quality against cost: a point a variant and budget, and what more of it gains."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from .cells import Study
from .findings import Row, interval_of, means_by_prompt, paired_by_prompt, rows_at

COSTS = ("steps", "evaluations", "seconds")
"""Columns of the measure cost that a curve may stand over."""


@dataclass(frozen=True)
class Point:
    cost: float
    """Mean over the runs."""
    mean: float
    """Over prompts, seeds inside."""
    interval: tuple[float, float] | None
    """95 % over prompts; None for one prompt."""


@dataclass(frozen=True)
class Gain:
    """From one length to the next, over the prompts that both have."""

    variant: str
    shorter: str
    longer: str
    mean: float
    interval: tuple[float, float] | None


def curve(rows: Sequence[Row], variant: str, column: str, cost: str) -> list[Point]:
    """The points of a variant, cheapest first; every length is a run of its own, since schedules follow it."""
    points = []
    for budget in dict.fromkeys(str(row["budget"]) for row in rows):
        own = [row for row in rows_at(rows, variant, budget) if column in row and cost in row]
        if own:
            means = list(means_by_prompt(own, column).values())
            interval = interval_of(means) if len(means) > 1 else None
            points.append(Point(fmean(float(row[cost]) for row in own), fmean(means), interval))
    return sorted(points, key=lambda point: point.cost)


def gains(study: Study, rows: Sequence[Row], column: str) -> list[Gain]:
    """Of every variant, from each budget to the next longer one of the same kind."""
    kinds: dict[str, list[str]] = {}
    for budget in dict.fromkeys(cell.budget for cell in study.cells):
        kinds.setdefault(budget.rpartition(" ")[2], []).append(budget)
    found = []
    for variant in study.settings:
        for own in kinds.values():
            for shorter, longer in pairwise(sorted(own, key=_amount)):
                pairs = paired_by_prompt(rows_at(rows, variant, longer), rows_at(rows, variant, shorter), column)
                if pairs:
                    interval = interval_of(pairs) if len(pairs) > 1 else None
                    found.append(Gain(variant, shorter, longer, fmean(pairs), interval))
    return found


def _amount(budget: str) -> int:
    return int(budget.partition(" ")[0].replace(",", "") or 0)
