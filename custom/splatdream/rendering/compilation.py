"""Says that the CPU kernels are being compiled, so that the first image does not look like a hang."""

import sys
from functools import cache
from pathlib import Path

from . import numba_binning, numba_compositing, numba_compositing_backward, numba_projection

COMPILE_SECONDS = 15  # measured on one core of an AMD EPYC; forward and backward together

_ENTRY_POINTS = (
    numba_projection.project,
    numba_projection.project_backward,
    numba_binning.bin_camera,
    numba_binning.fill_tiles,
    numba_compositing.composite_tiles,
    numba_compositing_backward.composite_tiles_backward,
    numba_compositing_backward.sum_over_tiles,
    numba_compositing_backward.moments_to_gradients,
)


def is_compiled() -> bool:
    """Whether every kernel has a compiled copy on disk that is newer than its source."""
    for kernel in _ENTRY_POINTS:
        source = Path(kernel.py_func.__code__.co_filename)
        pattern = f"{source.stem}.{kernel.py_func.__qualname__}-*.nbi"
        copies = Path(kernel.stats.cache_path).glob(pattern)
        if not any(copy.stat().st_mtime >= source.stat().st_mtime for copy in copies):
            return False
    return True


@cache
def announce_compilation() -> None:
    """Prints one line to stderr when the kernels will have to be compiled; looks only the first time."""
    if not is_compiled():
        print(f"compiling the CPU rasterizer, once, about {COMPILE_SECONDS} s", file=sys.stderr, flush=True)
