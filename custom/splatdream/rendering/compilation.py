"""When the CPU kernels are compiled: says so, lest the first image look like a hang, and forgets stale ones.

Numba keeps a compiled copy of each kernel beside its source, or in the user's cache folder where that is read-only. It
notices when the file that defines a kernel changes, but not when a constant or a function of another file does.
"""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

from . import (
    numba_binning,
    numba_compositing,
    numba_compositing_backward,
    numba_lanes,
    numba_planes,
    numba_projection,
    signature,
)

COMPILE_SECONDS = 12  # measured on one core of an AMD EPYC, imports of the compiling process included
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
)
_MODULES = (
    signature,
    numba_lanes,
    numba_planes,
    numba_projection,
    numba_binning,
    numba_compositing,
    numba_compositing_backward,
)
_SOURCES = [Path(module.__file__) for module in _MODULES]


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


def are_compiled(cache_folder: Path) -> bool:
    """Whether every kernel has a compiled copy in the cache."""
    for kernel in _KERNELS:
        source = Path(kernel.py_func.__code__.co_filename)
        if not any(cache_folder.glob(f"{source.stem}.{kernel.py_func.__qualname__}-*.nbi")):
            return False
    return True


@cache
def prepare_kernels() -> None:
    """Has the kernels compiled in a process of its own when the cache lacks one; looks only the first time.

    Kernels that were compiled in the running process differ in the last bits from the same kernels loaded from the
    cache. So the first run of all would not give the bits of every later one.
    """
    if _IS_CHILD in os.environ:
        return
    cache_folder = Path(_KERNELS[0].stats.cache_path)
    forget_stale_kernels(cache_folder)
    if are_compiled(cache_folder):
        return
    print(f"compiling the CPU rasterizer, once, about {COMPILE_SECONDS} s", file=sys.stderr, flush=True)
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {_IS_CHILD: "1", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", f"from {__name__} import compile_all; compile_all()"]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        reason = (outcome.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"compiling in this process, since another one failed: {reason}", file=sys.stderr, flush=True)


def compile_all() -> None:
    """Renders one Gaussian and goes backward, which compiles every kernel."""
    import torch

    from .cpu import rasterization

    means = torch.tensor([[0.0, 0.0, 2.0]], requires_grad=True)
    quats, scales = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.full((1, 3), 0.1)
    intrinsics = torch.tensor([[[8.0, 0.0, 4.0], [0.0, 8.0, 4.0], [0.0, 0.0, 1.0]]])
    images, _, _ = rasterization(
        means, quats, scales, torch.ones(1), torch.ones(1, 3), torch.eye(4)[None], intrinsics, 8, 8
    )
    images.sum().backward()
