"""Driver, CUDA, torch, nvcc, and how long gsplat's kernels take to build."""

import platform
import shutil
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version

import torch

from .part import Part, Results, Settings

PACKAGES = (
    "splatdream",
    "torch",
    "numpy",
    "gsplat",
    "diffusers",
    "transformers",
    "peft",
    "numba",
    "embreex",
    "warp-lang",
)


def measure(settings: Settings, results: Results) -> None:
    results.add(
        device=torch.cuda.get_device_name() if settings.device.type == "cuda" else platform.processor() or "cpu",
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        cuda_of_torch=torch.version.cuda,
        driver=_said("nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"),
        nvcc=_said("nvcc", "--version"),
    )
    if settings.device.type == "cuda":
        results.add(compute_capability="{}.{}".format(*torch.cuda.get_device_capability()))
        results.add(gsplat_build_seconds=_build_gsplat())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _said(*command: str) -> str:
    """The last line of what a program prints."""
    if shutil.which(command[0]) is None:
        return "missing"
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return ((said.stdout or said.stderr).strip().splitlines() or ["no answer"])[-1]


def _build_gsplat() -> float:
    """Seconds until the first image: little when the kernels are there from an earlier call."""
    from ..cameras.batch import orbit_cameras
    from ..rendering.backends import choose_backend

    started = time.perf_counter()
    cameras, device = orbit_cameras([0.0], [0.0]), torch.device("cuda")
    gaussians = [torch.ones(1, channels, device=device) for channels in (3, 4, 3)]
    choose_backend("gsplat", device)(
        *gaussians,
        torch.ones(1, device=device),
        torch.ones(1, 3, device=device),
        cameras.viewmats.to(device),
        cameras.Ks.to(device),
        16,
        16,
    )
    torch.cuda.synchronize()
    return time.perf_counter() - started


PART = Part(
    "environment",
    "torch sees the GPU, nvcc has torch's CUDA version, and gsplat builds, once, for this GPU alone. If the time is up "
    "before, call the part again: what is compiled is kept.",
    measure,
)
