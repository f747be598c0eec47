"""The suite as a whole: its parts, one process each, what was measured before, and the page."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import torch

from ..storage.atomic_file import write_text
from . import environment, guidance_step, many_runs, marked_tests, rasterizers, whole_runs
from .page import page
from .part import Part, Results, Settings

LIMIT_S = 8 * 60
PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        environment.PART,
        marked_tests.PART,
        rasterizers.PART,
        guidance_step.PART,
        guidance_step.LARGE_PART,
        whole_runs.PART,
        many_runs.PART,
    )
}
"""In the order in which they run: gsplat is built by the first."""

Launch = Callable[[str, Settings], str]
"""Runs a part by its name; returns what went wrong, or nothing."""


def _run_part(part: Part, settings: Settings, launch: Launch) -> None:
    """Leaves the part's record."""
    print(f"{part.name}: expected: {part.expected}", flush=True)
    record_path(settings, part.name).unlink(missing_ok=True)
    began = time.perf_counter()
    problem = launch(part.name, settings)
    measured = read_record(settings, part.name).get("measured", {})
    record = {
        "status": "failed" if problem else "finished",
        "problem": problem,
        "seconds": round(time.perf_counter() - began, 1),
        "is_smoke": settings.is_smoke,
        "expected": part.expected,
        "missed": part.missed(measured, settings.is_smoke),
        "measured": measured,
    }
    write_text(record_path(settings, part.name), json.dumps(record, indent=1))
    missed = "".join(f"\n  {sentence}" for sentence in record["missed"])
    print(f"{part.name}: {problem or 'finished'} after {record['seconds']} s{missed}", flush=True)


def measure_part(part: Part, settings: Settings) -> None:
    """In this process; numbers go to the part's file one by one."""
    part.measure(settings, Results(record_path(settings, part.name)))


def in_child_process(name: str, settings: Settings) -> str:
    """What went wrong, or nothing. A crash of a part, or of the driver under it, ends that part alone."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    if torch.cuda.is_available():
        # gsplat builds for this GPU alone, which takes minutes less.
        variables.setdefault("TORCH_CUDA_ARCH_LIST", "{}.{}".format(*torch.cuda.get_device_capability()))
        variables.setdefault("MAX_JOBS", str(os.cpu_count()))
    command = [sys.executable, "-m", "splatdream", "doctor", "--gpu", "--in-process", name]
    command += ["--output", str(settings.folder), *(["--smoke"] if settings.is_smoke else [])]
    return run_for_at_most(LIMIT_S, command, variables)


def run_for_at_most(limit_s: float, command: Sequence[str], variables: Mapping[str, str]) -> str:
    """What went wrong, or nothing. Whatever the command itself started ends with it."""
    with tempfile.TemporaryFile(mode="w+", errors="replace") as said:
        process = subprocess.Popen(command, env=dict(variables), stdout=said, stderr=said)
        try:
            exit_code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return f"took longer than {limit_s} s"
        finally:
            _end(process)
        said.seek(0)
        last = [line.strip() for line in said if line.strip()][-5:]
    return f"exit code {exit_code}: {' | '.join(last)}" if exit_code else ""


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        for child in [*psutil.Process(process.pid).children(recursive=True), process]:
            child.kill()
        process.wait()


def record_path(settings: Settings, name: str) -> Path:
    return settings.folder / f"{name}.json"


def is_finished(settings: Settings, name: str) -> bool:
    return read_record(settings, name).get("status") == "finished"


def read_record(settings: Settings, name: str) -> dict:
    """What is known of a part; empty if it never ran, or ran at the other size."""
    path = record_path(settings, name)
    record = json.loads(path.read_text()) if path.is_file() else {}
    return record if record.get("is_smoke", settings.is_smoke) == settings.is_smoke else {}


def run_suite(
    settings: Settings,
    names: Sequence[str] = (),
    parts: Mapping[str, Part] = PARTS,
    launch: Launch = in_child_process,
    page_path: Path | None = None,
) -> bool:
    """Runs what is not measured yet, and writes the page; True if every part that was asked for ended.

    A part that is named runs in any case. One that fails or takes too long keeps what it measured, and the next one
    runs.

    Args:
        names: of the parts; all, if empty.
        page_path: `page.md` in the folder of the results, if None.
    """
    for name in names or [name for name in parts if not is_finished(settings, name)]:
        _run_part(parts[name], settings, launch)
        records = {name: read_record(settings, name) for name in parts}
        write_text(page_path or settings.folder / "page.md", page(parts, records, settings.is_smoke))
    print(f"results: {settings.folder}")
    return all(is_finished(settings, name) for name in names or parts)
