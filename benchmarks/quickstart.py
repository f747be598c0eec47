"""Where the time of the quickstart goes, stage by stage, and how it grows with pixels, Gaussians and views.

    python benchmarks/quickstart.py                        # the 600 steps, then short runs for the growth
    python benchmarks/quickstart.py --clock cpu --threads 1   # beside other programs, which CPU time hardly notices

Runs are real ones, from the configuration, in a folder that is thrown away. Written down are only: the seconds of each
stage of each step (the clock of `StageTimer` replaced), those of the prior, which are a part of the guidance's, and the
time from one step's beginning to the next's. The first steps, which load kernels, and the steps after which the host
renders or stores something count in the total but not in the medians. Slopes are those of least squares through
logarithms: 1 is proportional.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from splatdream.startup.launching import main as launch
from splatdream.startup.openmp import wait_without_spinning

CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
STAGES = ("render", "guidance", "backward", "optimizer", "densification", "host and log")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
WARM_UP = 5
GROWTH = {
    "pixels": ([64, 128, 256], lambda n: [f"data.width=[{n}]", f"data.height=[{n}]"], lambda n: n * n),
    "Gaussians": ([1000, 4000, 16000], lambda n: [f"system.geometry.num_points={n}"], float),
    "views": ([2, 4, 8], lambda n: [f"data.batch_size={n}"], float),
}
QUIET = ("trainer.enable_progress_bar=false", "trainer.num_sanity_val_steps=0")
SHORT = (
    "trainer.val_check_interval=null",
    "system.export_after_training=false",
    "system.densification.refine_from=10000",
)


class Record:
    """Seconds by stage for each step of one run, and the whole training."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.begins: list[float] = []
        self.by_stage: dict[str, list[float]] = defaultdict(list)
        self.total = 0.0

    def begin_step(self) -> None:
        self.begins.append(self.clock())
        for name in ("prior", *STAGES):
            self.by_stage[name].append(0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = self.clock()
        try:
            yield
        finally:
            if self.begins:
                self.by_stage[name][-1] += self.clock() - begin

    def medians(self) -> dict[str, float]:
        """Milliseconds of a step, by stage, and "step" from one beginning to the next."""
        steps = [after - before for before, after in zip(self.begins, self.begins[1:], strict=False)]
        kept = range(min(WARM_UP, len(steps) // 2), len(steps))
        found = {name: 1e3 * statistics.median(self.by_stage[name][i] for i in kept) for name in ("prior", *STAGES)}
        found["step"] = 1e3 * statistics.median(steps[i] for i in kept)
        found["host and log"] = found["step"] - sum(found[name] for name in STAGES[:-1])
        return found


def train(overrides: Sequence[str], clock: Callable[[], float]) -> Record:
    """One training of the quickstart with its stages written down."""
    from splatdream.priors.closed_form_base import ExactPrior
    from splatdream.systems import asset_system
    from splatdream.systems.asset_system import AssetSystem

    record = Record(clock)

    class Timer(asset_system.StageTimer):
        def stage(self, name: str):
            return record.stage(name)

    originals = asset_system.StageTimer, AssetSystem.training_step, AssetSystem.on_train_end, ExactPrior.predict_clean
    _, step, end, predict = originals

    def timed_step(self, *arguments):
        record.begin_step()
        return step(self, *arguments)

    def timed_end(self):
        record.total = record.clock() - record.begins[0]
        end(self)

    def timed_prediction(self, *arguments):
        with record.stage("prior"):
            return predict(self, *arguments)

    asset_system.StageTimer, AssetSystem.training_step = Timer, timed_step
    AssetSystem.on_train_end, ExactPrior.predict_clean = timed_end, timed_prediction
    try:
        with tempfile.TemporaryDirectory() as folder:
            command = ["--config", str(CONFIG), "--train", "--gpu", "cpu", f"exp_root_dir={folder}", *QUIET, *overrides]
            if launch(command):
                raise SystemExit("the run failed; its message stands above")
    finally:
        asset_system.StageTimer, AssetSystem.training_step, AssetSystem.on_train_end, ExactPrior.predict_clean = (
            originals
        )
    return record


def print_stages(record: Record) -> None:
    medians, num_steps = record.medians(), len(record.begins)
    print(f"\n{num_steps} steps in {record.total:.1f} s, from the first step to the last, validation included\n")
    print(f"| {'stage':14s} | median ms a step | share |\n|---|---:|---:|")
    for name in ("step", *STAGES):
        print(f"| {name:14s} | {medians[name]:.2f} | {medians[name] / medians['step']:.0%} |")
        if name == "guidance":
            print(f"| {'of it the prior':14s} | {medians['prior']:.2f} | {medians['prior'] / medians['step']:.0%} |")
    bare = medians["render"] + medians["backward"]
    rest = (medians["step"] - medians["prior"]) / bare
    print(f"\na step without the prior over render and backward: {rest:.2f}")


def print_growth(steps: int, clock: Callable[[], float]) -> None:
    columns = ("step", "render", "backward", "guidance", "prior")
    for name, (sizes, overrides, work) in GROWTH.items():
        print(f"\n| {name} | {' | '.join(columns)} |\n|---:|{'---:|' * len(columns)}")
        found = []
        for size in sizes:
            found.append(train([f"trainer.max_steps={steps}", *SHORT, *overrides(size)], clock).medians())
            ratios = [f"{found[-1][column]:.2f} ({found[-1][column] / found[0][column]:.1f}x)" for column in columns]
            print(f"| {size} | {' | '.join(ratios)} |", flush=True)
        slopes = [slope([work(size) for size in sizes], [row[column] for row in found]) for column in columns]
        print(f"| slope | {' | '.join(f'{value:.2f}' for value in slopes)} |")


def slope(work: Sequence[float], seconds: Sequence[float]) -> float:
    """Of the logarithm of the time over that of the work, by least squares."""
    return statistics.linear_regression([math.log(x) for x in work], [math.log(x) for x in seconds]).slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu adds up the time of all threads")
    parser.add_argument("--threads", type=int, help="torch's; all cores by default")
    parser.add_argument("--steps", type=int, default=600, help="of the quickstart")
    parser.add_argument("--growth-steps", type=int, default=60, help="of each run for the growth; 0 leaves it out")
    arguments = parser.parse_args()
    wait_without_spinning()
    import torch
    from splatdream.rendering.compilation import describe_processor

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    clock = CLOCKS[arguments.clock]
    print(f"{describe_processor()}, {torch.get_num_threads()} threads, {arguments.clock} time")
    print_stages(train([f"trainer.max_steps={arguments.steps}"], clock))
    if arguments.growth_steps:
        print_growth(arguments.growth_steps, clock)


if __name__ == "__main__":
    main()
