"""Runs on a disk that is full at one stage or another."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kills import Job, trained
from outcome import ROOT, Tally, fault_of_process, started
from splatdream.embedded_host.checkpoint_content import is_intact


@contextmanager
def small_disk(folder: Path, num_bytes: int) -> Iterator[Path]:
    """A tmpfs of that size; needs the right to mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def full_disks(folder: Path, count: int) -> Iterator[Tally]:
    """A run of every part at the smallest size, on disks from nearly nothing to nearly enough."""
    tally = Tally("a full disk, at one stage or another")
    overrides = ("checkpoint.every_n_train_steps=5",)
    job = Job("tiny", trained(ROOT / "configs" / "tiny.yaml", *overrides), ())
    reference = folder / "enough"
    fault = fault_of_process(started(job.arguments(reference)), may_fail=False)
    if fault is not None:
        tally.add("a disk that is large enough", fault)
    needed = sum(path.stat().st_blocks * 512 for path in reference.rglob("*"))
    for number in range(count):
        size = max(4096 * 4, int(needed * (number + 0.5) / count))
        with small_disk(folder / f"disk-{number}", size) as disk:
            process = started(job.arguments(disk))
            fault = fault_of_process(process, may_fail=True) or _spoiled(disk)
        tally.add(f"{size:,} of {needed:,} bytes", fault)
    yield tally


def _spoiled(disk: Path) -> str | None:
    if leftovers := list(disk.rglob(".part-*")):
        return f"{len(leftovers)} leftovers"
    damaged = [path.name for path in disk.rglob("*.ckpt") if not is_intact(path)]
    return f"damaged checkpoints: {', '.join(damaged)}" if damaged else None


def can_mount() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
