"""What a run will cost, told from a short one."""

from dataclasses import dataclass, replace
from pathlib import Path

from .execution import Executor, finished_run
from .request import RunRequest
from .results import RunResult

_WARM_UP, _MEASURED = 2, 12
"""Steps of a first run, in which libraries are loaded and kernels compiled, and of the one that is measured."""
_ONCE = "views"
"""The stage that stands before the steps of a fit, however many follow."""


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    steps: int
    seconds: float
    """From start to end."""
    evaluations: int
    """Of the denoiser."""
    peak_memory_bytes: dict[str, int]
    """Of the trial, by device; Gaussians that come later take more."""

    def __str__(self) -> str:
        memory = ", ".join(f"{device} {size / 2**30:.2f} GB" for device, size in self.peak_memory_bytes.items())
        time = f"{self.seconds / 60:.1f} min" if self.seconds >= 100 else f"{self.seconds:.0f} s"
        return (
            f"{self.steps} steps, about {self.evaluations:,} evaluations of the denoiser, about {time}; "
            f"peak memory of the trial: {memory}"
        )


def trial(request: RunRequest, folder: Path, execute: Executor) -> tuple[Cost, RunResult]:
    """What a run will cost, and the short run that tells it.

    Raises:
        RuntimeError: a trial failed.
    """
    steps = request.configuration()["trainer"].get("max_steps", 0)
    shorter = _short(request, _WARM_UP, folder, execute)
    result = _short(request, _MEASURED, folder, execute)
    manifest = result.read_manifest()
    of_steps = sum(seconds for stage, seconds in manifest["seconds_by_stage"].items() if stage != _ONCE)
    seconds = result.seconds + of_steps / _MEASURED * (steps - _MEASURED)
    # Of two lengths: what was asked before the first step is in both.
    few, more = shorter.evaluations or 0, result.evaluations or 0
    evaluations = round(more + (more - few) / (_MEASURED - _WARM_UP) * (steps - _MEASURED))
    return Cost(steps, seconds, evaluations, manifest["peak_memory_bytes"]), result


def _short(request: RunRequest, steps: int, folder: Path, execute: Executor) -> RunResult:
    shortened = replace(request, overrides=[*request.overrides, f"trainer.max_steps={steps}"])
    return finished_run(shortened, folder / f"{steps}" / "run", execute)
