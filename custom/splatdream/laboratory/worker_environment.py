"""What a worker's process is told: its share of the cores, and where the package is."""

import os
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def worker_environment(workers: int) -> dict[str, str]:
    """Variables of each of so many on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return dict.fromkeys(_THREADS, str(max(1, cores // workers))) | {"PYTHONPATH": paths}
