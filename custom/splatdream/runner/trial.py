"""What a run will cost, told from two short ones."""

from dataclasses import dataclass, replace
from pathlib import Path

from .execution import Executor, finished_run
from .request import RunRequest
from .results import RunResult

TRIAL_STEPS = (2, 12)
"""Two lengths tell what a step costs, and what comes before and after all steps."""


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


def with_steps(request: RunRequest, steps: int) -> RunRequest:
    """The same run, of that length."""
    return replace(request, overrides=[*request.overrides, f"trainer.max_steps={steps}"])


def extrapolated(short: float, longer: float, steps: int) -> float:
    """What `steps` cost where `TRIAL_STEPS` cost that much."""
    per_step = max(0.0, longer - short) / (TRIAL_STEPS[1] - TRIAL_STEPS[0])
    return longer + per_step * max(0, steps - TRIAL_STEPS[1])


def trial(request: RunRequest, folder: Path, execute: Executor) -> tuple[Cost, RunResult]:
    """What a run will cost, and the longer of the two that told it.

    Raises:
        RuntimeError: a trial failed.
    """
    steps = request.configuration()["trainer"].get("max_steps", 0)
    results = [finished_run(with_steps(request, few), folder / f"{few}" / "run", execute) for few in TRIAL_STEPS]
    seconds = extrapolated(*(result.seconds for result in results), steps)
    evaluations = extrapolated(*(result.evaluations or 0 for result in results), steps)
    memory = results[-1].read_manifest()["peak_memory_bytes"]
    return Cost(steps, seconds, round(evaluations), memory), results[-1]
