"""Where the time of a run goes: seconds by named stage."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class StageTimer:
    """Adds up wall-clock seconds by stage.

    CUDA works on while Python goes ahead: on a GPU a stage is what Python waited for. The total is right all the same.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """By stage, in the order in which the stages first ran."""
        return dict(self._seconds)

    def load(self, seconds: dict[str, float]) -> None:
        """Goes on counting from the seconds of a checkpoint."""
        self._seconds = defaultdict(float, seconds)


def peak_memory_bytes() -> dict[str, int]:
    """The largest memory so far: of this process, and on the GPU where there is one."""
    if sys.platform == "win32":
        import psutil

        peak = {"process": psutil.Process().memory_info().peak_wset}
    else:
        import resource

        # ru_maxrss is in KiB on Linux and in bytes on macOS.
        unit = 1 if sys.platform == "darwin" else 1024
        peak = {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if torch.cuda.is_available():
        peak["cuda"] = torch.cuda.max_memory_allocated()
    return peak
