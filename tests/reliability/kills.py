"""Runs that are killed at random moments, resumed, and compared with one that was not, bit by bit."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from outcome import ROOT, Tally, fault_of_process, started

TINY_PLAN = """
name: killed
base: {tiny}
settings: {{trainer.enable_progress_bar: false}}
variants:
  first: {{}}
  second: {{settings: {{system.guidance.guidance_scale: 2.0}}}}
seeds: [0]
measures: [cost]
"""


@dataclass(frozen=True)
class Job:
    """A command that goes on where it stopped when it is given again."""

    name: str
    arguments: Callable[[Path], list[str]]
    """Of a folder for the results, as they are now."""
    files: tuple[str, ...]
    """Patterns of files that must be the same."""


def trained(config: Path, *overrides: str) -> Callable[[Path], list[str]]:
    """Trains, or goes on from the last checkpoint as the documentation says."""

    def arguments(folder: Path) -> list[str]:
        trial = folder / "run" / "killed"
        last, parsed = trial / "ckpts" / "last.ckpt", trial / "configs" / "parsed.yaml"
        if last.exists():
            return ["train", "--config", str(parsed), f"resume={last}"]
        fixed = [f"exp_root_dir={folder}", "name=run", "tag=killed", "use_timestamp=false"]
        return ["train", "--config", str(config), *fixed, "trainer.enable_progress_bar=false", *overrides]

    return arguments


def studied(plan: Path) -> Callable[[Path], list[str]]:
    return lambda folder: ["lab", "run", str(plan), "--output", str(folder)]


def jobs(folder: Path, is_small: bool) -> Iterator[Job]:
    """The quickstart, a texture run on what it made, and a laboratory run; small ones for the suite."""
    configs = ROOT / "configs"
    tiny = configs / "tiny.yaml"
    first = tiny if is_small else configs / "quickstart.yaml"
    every = "checkpoint.every_n_train_steps=" + ("5" if is_small else "100")
    yield Job(first.stem, trained(first, every), ("run/killed/save/it*-export/cloud.ply",))
    if is_small:
        return
    source = folder / first.stem / "reference"
    cloud = next(source.glob("run/killed/save/it*-export/cloud.ply"))
    overrides = (f"system.geometry.source={cloud}", "checkpoint.every_n_train_steps=20")
    yield Job("texture", trained(configs / "toybox-texture.yaml", *overrides), ("run/killed/save/it*-export/mesh.glb",))
    plan = folder / "plan.yaml"
    plan.write_text(TINY_PLAN.format(tiny=tiny))
    yield Job("laboratory", studied(plan), ("**/it*-export/cloud.ply",))


def kills(folder: Path, count: int, seed: int, is_small: bool) -> Iterator[Tally]:
    """For each job `count` kills, each at a moment drawn from the length of the run that was not killed."""
    draw = random.Random(seed)
    for job in jobs(folder, is_small):
        tally = Tally(f"kill -9 of {job.name}, resumed, bits compared")
        reference = folder / job.name / "reference"
        start = time.monotonic()
        fault = fault_of_process(started(job.arguments(reference)), may_fail=False)
        seconds = time.monotonic() - start
        if fault is not None:
            tally.add("the run that is not killed", fault)
            yield tally
            continue
        for number in range(count):
            moment = draw.uniform(0, seconds)
            subject = folder / job.name / f"kill-{number}"
            tally.add(f"after {moment:.1f} of {seconds:.1f} s", _killed(job, subject, moment, reference))
            shutil.rmtree(subject, ignore_errors=True)
        yield tally


def _killed(job: Job, folder: Path, moment: float, reference: Path) -> str | None:
    process = started(job.arguments(folder))
    try:
        process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    fault = fault_of_process(started(job.arguments(folder)), may_fail=False)
    return fault or difference(folder, reference, job.files)


def difference(folder: Path, reference: Path, patterns: tuple[str, ...]) -> str | None:
    """The first thing in which a folder of results is not that of the reference."""
    if leftovers := list(folder.rglob(".part-*")):
        return f"{len(leftovers)} leftovers, {leftovers[0].name}"
    for pattern in ("**/last.ckpt", *patterns):
        for path in reference.glob(pattern):
            other = folder / path.relative_to(reference)
            if not other.exists():
                return f"{other.relative_to(folder)} is missing"
            is_same = _same_tensors if pattern.endswith(".ckpt") else _same_bytes
            if not is_same(path, other):
                return f"{other.relative_to(folder)} has other content"
    for manifest in folder.rglob("manifest.json"):
        if '"finished"' not in manifest.read_text():
            return "the manifest does not say finished"
    return None


def _same_bytes(a: Path, b: Path) -> bool:
    return a.read_bytes() == b.read_bytes()


def _same_tensors(a: Path, b: Path) -> bool:
    """Of parameters and of the optimizer's state; times differ."""
    first, second = (torch.load(path, weights_only=True) for path in (a, b))
    return all(_equal(first[key], second[key]) for key in ("global_step", "state_dict", "optimizer_states"))


def _equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(_equal, a, b))
    return a == b
