"""When the CPU kernels are compiled: says so, lest the first image look like a hang, and forgets stale ones.

Numba keeps a compiled copy of each kernel beside its source, or in the user's cache folder where that is read-only. It
notices when the file that defines a kernel changes, but not when a constant or a function of another file does.
"""

import gc
import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np

from . import (
    numba_binning,
    numba_compositing,
    numba_compositing_backward,
    numba_lanes,
    numba_planes,
    numba_projection,
    numba_solids,
    numba_vectors,
    signature,
)
from .compiled_files import are_sound, remove_compiled, write_digests

COMPILE_SECONDS = 9  # measured on two cores of an AMD EPYC, imports of the compiling processes included
_IS_CHILD = "SPLATDREAM_IS_COMPILING"

_KERNELS = (
    numba_projection.project,
    numba_binning.bin_cameras,
    numba_binning.fill_tiles,
    numba_compositing.composite_tiles,
    numba_projection.project_backward,
    numba_compositing_backward.composite_tiles_backward,
    numba_compositing_backward.sum_over_tiles,
    numba_compositing_backward.moments_to_gradients,
    numba_solids.place_solids,
    numba_solids.trace_bands,
)
_MODULES = (
    signature,
    numba_lanes,
    numba_vectors,
    numba_planes,
    numba_projection,
    numba_binning,
    numba_compositing,
    numba_compositing_backward,
    numba_solids,
)
_SOURCES = [Path(module.__file__) for module in _MODULES]
_STEMS = [source.stem for source in _SOURCES]


def describe_processor() -> str:
    """The name of the processor, and what the kernels are compiled for."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name} ({numba_lanes.compiled_for()})"


def forget_stale_kernels(cache_folder: Path) -> None:
    """Removes what was compiled before the last change of any source, so that Numba compiles it again."""
    last_change = max(source.stat().st_mtime for source in _SOURCES)
    for source in _SOURCES:
        for index in cache_folder.glob(f"{source.stem}.*.nbi"):
            if index.stat().st_mtime < last_change:
                index.unlink(missing_ok=True)


def forget_damaged_kernels(cache_folder: Path) -> None:
    """Removes what is compiled when any of it is not what was written."""
    mark = completion_mark(cache_folder)
    if mark.exists() and not are_sound(mark, cache_folder, _STEMS):
        mark.unlink()  # first: another process that starts now must not remove what this one compiles
        remove_compiled(cache_folder, _STEMS)


def completion_mark(cache_folder: Path) -> Path:
    """The file that is there when all kernels have been compiled for this processor; others may share the folder."""
    return cache_folder / f"splatdream-kernels-{hashlib.sha256(numba_lanes.target().encode()).hexdigest()[:12]}"


def are_compiled(cache_folder: Path) -> bool:
    """Whether every kernel has a sound compiled copy in the cache, for this processor, not older than any source."""
    mark = completion_mark(cache_folder)
    last_change = max(source.stat().st_mtime for source in _SOURCES)
    if not mark.exists() or mark.stat().st_mtime < last_change:
        return False
    for kernel in _KERNELS:
        source = Path(kernel.py_func.__code__.co_filename)
        if not any(cache_folder.glob(f"{source.stem}.{kernel.py_func.__qualname__}-*.nbi")):
            return False
    return are_sound(mark, cache_folder, _STEMS)


@cache
def prepare_kernels() -> None:
    """Has the kernels compiled in processes of their own when the cache lacks one; looks only the first time.

    Side by side, each with kernels that share no function with the others': what one of them loads from the cache,
    because another has been quicker, would change the last bits.

    Kernels that were compiled in the running process differ in the last bits from the same kernels loaded from the
    cache. So the first run of all would not give the bits of every later one.
    """
    if _IS_CHILD in os.environ:
        return
    cache_folder = Path(_KERNELS[0].stats.cache_path)
    forget_stale_kernels(cache_folder)
    if are_compiled(cache_folder):
        return
    forget_damaged_kernels(cache_folder)
    print(f"compiling the CPU rasterizer, once, about {COMPILE_SECONDS} s", file=sys.stderr, flush=True)
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {_IS_CHILD: "1", "PYTHONPATH": os.pathsep.join(paths)}
    processes = []
    for compile_some in (compile_projection, compile_compositing, compile_solids):
        code = f"from {__name__} import {compile_some.__name__}; {compile_some.__name__}()"
        command = [sys.executable, "-c", code]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    messages = [process.communicate()[1] for process in processes]
    if not any(process.returncode for process in processes):
        write_digests(completion_mark(cache_folder), cache_folder, _STEMS)
    for process, message in zip(processes, messages, strict=True):
        if process.returncode != 0:
            reason = (message.strip().splitlines() or ["no message"])[-1]
            print(f"compiling in this process, since another one failed: {reason}", file=sys.stderr, flush=True)


def _floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


# What the kernels take, of one Gaussian and one camera; they are given no range of it to work on.
_SIZE = (1, 1)
_GAUSSIANS = (_floats(1, 3), _floats(1, 4), _floats(1, 3))
_CAMERAS = (_floats(1, 4, 4), _floats(1, 3, 3), *_SIZE)
_CENTERS, _CONICS, _DEPTHS = _floats(1, 1, 2), _floats(1, 1, 3), _floats(1, 1)
_RADII, _COMPENSATIONS = np.zeros((1, 1, 2), np.int32), _floats(0, 1)
_OPACITIES, _COLORS, _RANKS = _floats(1, 1), _floats(1, 1, 3), np.zeros((1, 1), np.int32)
_RECORDS, _COUNTS = _floats(1, 1, numba_binning.RECORD_SIZE), np.zeros((1, 1), np.int64)
_STARTS, _LISTS, _BY_CAMERA = np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(1, np.int64)


def compile_projection() -> None:
    """Compiles the kernels of projection and binning."""
    gc.disable()  # a tenth of the time
    limits = [np.float32(0)] * 4
    screen = (_CENTERS, _CONICS, _DEPTHS)
    numba_projection.project(0, 0, *_GAUSSIANS, _floats(1), *_CAMERAS, *limits, *screen, _RADII, _COMPENSATIONS)
    seen = (limits[0], _RADII, _CONICS, _COMPENSATIONS)
    numba_projection.project_backward(0, 0, *_GAUSSIANS, *_CAMERAS, *seen, *screen, _COMPENSATIONS, *_GAUSSIANS)
    sorted_by = (_RADII, _OPACITIES, _COLORS, *_SIZE, _RANKS)
    numba_binning.bin_cameras(0, 0, *screen, *sorted_by, _RECORDS, _COUNTS, _BY_CAMERA, _BY_CAMERA)
    numba_binning.fill_tiles(0, 0, _RECORDS, _BY_CAMERA, *_SIZE, _STARTS, _LISTS)


def compile_compositing() -> None:
    """Compiles the kernels of compositing, forward and backward."""
    gc.disable()
    tiles = (_RECORDS, _STARTS, _LISTS, _BY_CAMERA, np.zeros(0, np.uint64), _floats(1, 3), True, True, True)
    images = (_floats(1, 1, 1, 4), _floats(1, 1, 1, 1))
    numba_compositing.composite_tiles(0, 0, 1, *tiles, *images)
    moments, is_seen = _floats(0), np.zeros((1, 1), np.bool_)
    sums = _floats(1, 1, numba_compositing_backward.ROW)
    numba_compositing_backward.composite_tiles_backward(0, 0, 1, *tiles, *images, *images, True, moments)
    numba_compositing_backward.sum_over_tiles(0, 0, _BY_CAMERA, _STARTS, _LISTS, _BY_CAMERA, moments, is_seen, moments)
    gradients = (_CENTERS, _CONICS, _DEPTHS, _OPACITIES, _COLORS, _floats(0, 1, 2), _DEPTHS)
    numba_compositing_backward.moments_to_gradients(0, 0, _RANKS, is_seen, sums, _CONICS, _OPACITIES, *gradients)


def compile_solids() -> None:
    """Compiles the kernels that trace rays to solids."""
    gc.disable()
    kinds, solids = np.zeros(1, np.int64), np.zeros((1, numba_solids.SOLID_SIZE))
    c2w, Ks = np.zeros((0, 4, 4)), np.zeros((0, 3, 3))
    placed, windows = np.zeros((0, 1, numba_solids.PLACED_SIZE)), np.zeros((0, 1, 4), np.int64)
    numba_solids.place_solids(kinds, solids, c2w, Ks, 1, 1, placed, windows)
    scene, light = (kinds, solids, placed, windows, Ks), (np.zeros(3), 0.5)
    images = (_floats(0, 1, 1, 4), _floats(0, 1, 1), _floats(0, 1, 1, 3))
    numba_solids.trace_bands(0, 0, *scene, 1, *light, *images)
