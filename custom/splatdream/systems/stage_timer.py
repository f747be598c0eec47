"""Where the time of a run goes: seconds by named stage."""

import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class StageTimer:
    """Adds up wall-clock seconds by stage.

    CUDA works on while Python goes ahead. There a stage is measured by events in the GPU's own queue, which are read
    when the GPU has passed them: nobody waits for them.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._events: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._seconds[name] += 0.0
        if not torch.cuda.is_initialized():
            start = time.perf_counter()
            try:
                yield
            finally:
                self._seconds[name] += time.perf_counter() - start
            return
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        try:
            yield
        finally:
            last.record()
            self._events.append((name, first, last))

    def seconds(self) -> dict[str, float]:
        """By stage, in the order in which the stages first ran; on a GPU, as far as it has come."""
        while self._events and self._events[0][2].query():
            name, first, last = self._events.popleft()
            self._seconds[name] += first.elapsed_time(last) / 1000
        return dict(self._seconds)

    def load(self, seconds: dict[str, float]) -> None:
        """Goes on counting from the seconds of a checkpoint."""
        self._seconds = defaultdict(float, seconds)
        self._events.clear()


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
