"""What a study will cost, before anything is made: from finished runs, or from short trials."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from ..runner.execution import Executor
from .cells import Cell, Study
from .progress import time_left
from .records import standing
from .work import finished_stages

_TRIAL_STEPS = (2, 12)
"""Two lengths tell what a step costs, and what comes before and after all steps."""


def cost_text(study: Study, folder: Path, execute: Executor) -> str:
    """The plan: what there is, what is to be made, and how long one process would take.

    Raises:
        RuntimeError: a trial failed.
    """
    finished = standing(folder, study).finished
    missing = len(study.cells) - len(finished)
    lines, total = [f"{len(study.cells)} results: {len(finished)} are there, {missing} to be made"], 0.0
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in study.cells:
        groups.setdefault((cell.variant, cell.budget), []).append(cell)
    for group, cells in groups.items():
        to_do = [cell for cell in cells if cell.key not in finished]
        known = [finished[cell.key].seconds for cell in cells if cell.key in finished]
        line = f"  {', '.join(filter(None, group))}: {len(cells)}, to be made {len(to_do)}"
        if to_do:
            seconds = fmean(known) if known else _trial(to_do[0], execute)
            line += f", {seconds:.0f} s each, by {'finished runs' if known else 'a trial'}"
            total += seconds * len(to_do)
        lines.append(line)
    return "\n".join([*lines, f"one process: {time_left(total)}, measuring not counted"])


def _trial(cell: Cell, execute: Executor) -> float:
    """Seconds of all stages, extrapolated from two that stop early."""
    print(f"timing a trial of {cell.variant}", flush=True)
    few, more = (_seconds(cell, steps, execute) for steps in _TRIAL_STEPS)
    seconds = 0.0
    for stage, short, longer in zip(cell.stages, few, more, strict=True):
        per_step = max(0.0, longer - short) / (_TRIAL_STEPS[1] - _TRIAL_STEPS[0])
        steps = stage.configuration()["trainer"].get("max_steps", 0)
        seconds += longer + per_step * max(0, steps - _TRIAL_STEPS[1])
    return seconds


def _seconds(cell: Cell, steps: int, execute: Executor) -> list[float]:
    length = f"trainer.max_steps={steps}"
    stages = tuple(replace(stage, overrides=[*stage.overrides, length]) for stage in cell.stages)
    with TemporaryDirectory() as folder:
        return [result.seconds for result in finished_stages(replace(cell, stages=stages), Path(folder), execute)]
