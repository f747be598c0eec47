"""How many steps a run may take within so many seconds of optimization: timed on this machine, once a variant.

The steps are counted before the first run, and every run takes that many: what it makes stays a matter of its
configuration, and schedules know its length.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..runner.execution import Executor, InProcess, Runs
from ..runner.request import RunRequest

_FIRST_STEPS = (2, 12)
"""Compilation and loading stand in both; their difference is what steps cost."""
_SECOND_SHARE = 0.25
"""Of the length that these promise: long enough to be refined as the run will be."""


def steps_in_seconds(run: RunRequest, seconds: int, execute: Executor | None = None) -> int:
    """The steps that take so many seconds, as two trials of other lengths say.

    Args:
        execute: by default in this process.

    Raises:
        RuntimeError: a trial failed.
    """
    execute = execute or InProcess()
    print(f"timing the steps of {run.label}", flush=True)
    few, more = (_optimization(run, steps, execute) for steps in _FIRST_STEPS)
    per_step = max(more - few, 1e-6) / (_FIRST_STEPS[1] - _FIRST_STEPS[0])
    longer = int(_SECOND_SHARE * seconds / per_step)
    if longer > _FIRST_STEPS[1]:
        per_step = (_optimization(run, longer, execute) - few) / (longer - _FIRST_STEPS[0])
    return int(seconds / max(per_step, 1e-9))


def _optimization(run: RunRequest, steps: int, execute: Executor) -> float:
    """Seconds of the steps alone."""
    with TemporaryDirectory() as folder:
        shorter = replace(run, overrides=[*run.overrides, f"trainer.max_steps={steps}"])
        manifest = Runs(Path(folder), execute).run(shorter).read_manifest()
    return sum(manifest["seconds_by_stage"].values())
