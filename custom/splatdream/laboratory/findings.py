"""What the rows of a study say: means by variant, and paired differences from the first variant.

Prompts are the unit of inference: seeds of one prompt are no independent evidence about another.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

import torch

from .cells import Study
from .intervals import paired_bootstrap_interval
from .measures import MEASURES
from .records import Standing
from .significance import holm, sign_flip_p_value

Row = Mapping[str, object]


@dataclass(frozen=True)
class Difference:
    """Of a variant from the first one, at the same budget, over the prompts that both have."""

    variant: str
    budget: str
    """Several where the runs of both are the same ones."""
    column: str
    num_prompts: int
    mean: float
    interval: tuple[float, float] | None
    """None for a single prompt, which is no sample of prompts."""
    p_value: float
    adjusted: float = 1.0
    """By Holm's correction for all differences of the study."""

    @property
    def is_sure(self) -> bool:
        return self.adjusted < 0.05


def columns(study: Study) -> list[str]:
    """Of the tables, in the order of the measures."""
    return [column for name in study.measures for column in MEASURES[name].columns]


def compared(study: Study) -> list[str]:
    return [column for name in study.measures for column in MEASURES[name].compared]


def less_is_better(study: Study) -> set[str]:
    """Of the compared columns."""
    return {column for name in study.measures for column in MEASURES[name].less_is_better}


def rows_of(study: Study, now: Standing) -> list[Row]:
    """A row for each finished cell: what it is, and all its numbers."""
    return [
        {"variant": cell.variant, "prompt": cell.prompt, "seed": cell.seed, "budget": cell.budget}
        | {name: value for numbers in now.finished[cell.key].numbers.values() for name, value in numbers.items()}
        | {"key": cell.key, "run": now.finished[cell.key].run}
        for cell in study.cells
        if cell.key in now.finished
    ]


def budgets_apart(study: Study, *variants: str) -> dict[str, str]:
    """The budgets at which these variants have runs of their own, each with the names of all that share them."""
    same: dict[frozenset[str], list[str]] = {}
    for budget in budgets(study):
        keys = frozenset(cell.key for cell in study.cells if cell.variant in variants and cell.budget == budget)
        same.setdefault(keys, []).append(budget)
    return {names[0]: " = ".join(names) for names in same.values()}


def summary(rows: Sequence[Row], column: str) -> str:
    """The mean over prompts, seeds inside, or how often each class occurs; empty where nothing was measured."""
    values = [row[column] for row in rows if column in row]
    if any(isinstance(value, str) for value in values):
        return ", ".join(f"{count} {name}" for name, count in Counter(values).most_common())
    return shown(fmean(means_by_prompt(rows, column).values())) if values else ""


def interval_text(rows: Sequence[Row], column: str) -> str:
    """The mean with its 95 % interval over prompts."""
    means = list(means_by_prompt([row for row in rows if column in row], column).values())
    if len(means) < 2:
        return summary(rows, column)
    low, high = interval_of(means)
    return f"{shown(fmean(means))} [{shown(low)}, {shown(high)}]"


def differences(study: Study, rows: Sequence[Row]) -> list[Difference]:
    """All of them, corrected together."""
    first, *others = study.settings
    apart = {variant: budgets_apart(study, variant, first) for variant in others}
    found = []
    for column, budget, variant in product(compared(study), budgets(study), others):
        if budget not in apart[variant]:
            continue
        pairs = paired_by_prompt(rows_at(rows, variant, budget), rows_at(rows, first, budget), column)
        if pairs:
            interval, p_value = interval_of(pairs) if len(pairs) > 1 else None, sign_flip_p_value(pairs)
            name = apart[variant][budget]
            found.append(Difference(variant, name, column, len(pairs), fmean(pairs), interval, p_value))
    adjusted = holm([difference.p_value for difference in found])
    return [Difference(**vars(item) | {"adjusted": value}) for item, value in zip(found, adjusted, strict=True)]


def budgets(study: Study) -> list[str]:
    """The budgets of a study, in order."""
    return list(dict.fromkeys(cell.budget for cell in study.cells))


def shown(value: float) -> str:
    """A number with three or four digits that mean something."""
    if abs(value) >= 1000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def rows_at(rows: Sequence[Row], variant: str, budget: str) -> list[Row]:
    """Of a variant at a budget."""
    return [row for row in rows if (row["variant"], row["budget"]) == (variant, budget)]


def means_by_prompt(rows: Sequence[Row], column: str) -> dict[str, float]:
    """Seeds of one prompt averaged."""
    prompts = dict.fromkeys(str(row["prompt"]) for row in rows)
    return {prompt: fmean(float(row[column]) for row in rows if row["prompt"] == prompt) for prompt in prompts}


def paired_by_prompt(ours: Sequence[Row], theirs: Sequence[Row], column: str) -> list[float]:
    """Differences by prompt, each a mean over the seeds that both have."""
    baseline = {(row["prompt"], row["seed"]): float(row[column]) for row in theirs if column in row}
    pairs = [
        {"prompt": row["prompt"], "difference": float(row[column]) - baseline[row["prompt"], row["seed"]]}
        for row in ours
        if column in row and (row["prompt"], row["seed"]) in baseline
    ]
    return list(means_by_prompt(pairs, "difference").values())


def interval_of(values: Sequence[float]) -> tuple[float, float]:
    """Of the mean, 95 %, the same each time."""
    return paired_bootstrap_interval(torch.tensor(values), torch.Generator().manual_seed(0))
