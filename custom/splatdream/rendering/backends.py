"""Which rasterizer draws: one signature, that of `gsplat.rasterization`, and three implementations."""

from collections.abc import Callable

import torch

BACKENDS = ("auto", "reference", "cpu", "gsplat")


def check_backend(name: str) -> None:
    """
    Raises:
        ValueError: there is no such backend, or it needs a device that is not here.
    """
    if name not in BACKENDS:
        raise ValueError(f"rasterizer backend {name!r} is not one of {', '.join(BACKENDS)}")
    if name == "gsplat" and not torch.cuda.is_available():
        raise ValueError(
            "the rasterizer backend 'gsplat' draws on CUDA devices only, and torch finds none; leave it out for the CPU"
        )


def choose_backend(name: str, device: torch.device | str) -> Callable:
    """The `rasterization` function for tensors on this device; its library is imported here, not before.

    Args:
        name: "reference" (pure torch, slow, any floating type), "cpu" (Numba), "gsplat" (CUDA), or "auto":
            gsplat for CUDA tensors, cpu otherwise.

    Raises:
        ValueError: there is no such backend.
    """
    if name not in BACKENDS:
        raise ValueError(f"rasterizer backend {name!r} is not one of {', '.join(BACKENDS)}")
    if name == "auto":
        name = "gsplat" if torch.device(device).type == "cuda" else "cpu"
    if name == "gsplat":
        from .gsplat_backend import rasterization
    elif name == "cpu":
        from .cpu import rasterization
    else:
        from .reference import rasterization
    return rasterization
