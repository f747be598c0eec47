"""When the CPU kernels are compiled: says so, lest the first image look like a hang, and forgets stale ones.

Numba keeps a compiled copy of each kernel beside its source, or in the user's cache folder where that is read-only. It
notices when the file that defines a kernel changes, but not when a constant or a function of another file does.
"""

import sys
from functools import cache
from pathlib import Path

from . import numba_binning, numba_compositing, numba_compositing_backward, numba_lanes, numba_projection, signature

COMPILE_SECONDS = {"forward": 4, "backward": 4}  # measured on one core of an AMD EPYC

_ENTRY_POINTS = {
    "forward": (
        numba_projection.project,
        numba_binning.bin_camera,
        numba_binning.fill_tiles,
        numba_compositing.composite_tiles,
    ),
    "backward": (
        numba_projection.project_backward,
        numba_compositing_backward.composite_tiles_backward,
        numba_compositing_backward.sum_over_tiles,
        numba_compositing_backward.moments_to_gradients,
    ),
}
_MODULES = (signature, numba_lanes, numba_projection, numba_binning, numba_compositing, numba_compositing_backward)
_SOURCES = [Path(module.__file__) for module in _MODULES]


def forget_stale_kernels(cache_folder: Path) -> None:
    """Removes what was compiled before the last change of any source, so that Numba compiles it again."""
    last_change = max(source.stat().st_mtime for source in _SOURCES)
    for source in _SOURCES:
        for index in cache_folder.glob(f"{source.stem}.*.nbi"):
            if index.stat().st_mtime < last_change:
                index.unlink(missing_ok=True)


@cache
def announce_compilation(direction: str) -> None:
    """Prints one line to stderr when kernels will have to be compiled; looks only the first time.

    Args:
        direction: "forward" or "backward".
    """
    kernels = _ENTRY_POINTS[direction]
    cache_folder = Path(kernels[0].stats.cache_path)
    forget_stale_kernels(cache_folder)
    for kernel in kernels:
        source = Path(kernel.py_func.__code__.co_filename)
        if not any(cache_folder.glob(f"{source.stem}.{kernel.py_func.__qualname__}-*.nbi")):
            seconds = COMPILE_SECONDS[direction]
            print(
                f"compiling the CPU rasterizer ({direction}), once, about {seconds} s",
                file=sys.stderr,
                flush=True,
            )
            return
