"""Two runs that begin at the same moment with nothing in any cache, and runs that get little memory."""

import resource
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kills import difference, trained
from outcome import ROOT, Tally, environment, fault_of_process, started

_GIB = 2**30


def two_at_once(folder: Path, count: int) -> Iterator[Tally]:
    """They compile and trace the same things side by side, and make the same bits."""
    tally = Tally("two runs at once on cold caches")
    arguments = trained(ROOT / "configs" / "tiny.yaml")
    for number in range(count):
        place = folder / str(number)
        env = environment(SPLATDREAM_CACHE=str(place / "cache"), NUMBA_CACHE_DIR=str(place / "numba"))
        runs = [place / name for name in ("one", "other")]
        processes = [started(arguments(run), env) for run in runs]
        faults = [fault_of_process(process, may_fail=False) for process in processes]
        files = ("run/killed/save/it*-export/cloud.ply",)
        tally.add(f"pair {number}", next(filter(None, faults), None) or difference(runs[0], runs[1], files))
    yield tally


def little_memory(folder: Path, count: int) -> Iterator[Tally]:
    """Of address space, which is several times what a run touches."""
    tally = Tally("little memory")
    for number in range(count):
        limit = int(_GIB * (2.0 + 4.0 * number / max(count, 1)))
        set_limit = partial(resource.setrlimit, resource.RLIMIT_AS, (limit, limit))
        overrides = ("data.width=[512]", "data.height=[512]", "system.geometry.num_points=100000")
        arguments = trained(ROOT / "configs" / "tiny.yaml", *overrides, "trainer.max_steps=2")
        process = started(arguments(folder / str(number)), preexec_fn=set_limit)
        tally.add(f"{limit / _GIB:.1f} GiB", fault_of_process(process, may_fail=True))
    yield tally
