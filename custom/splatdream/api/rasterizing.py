"""`splatdream.rasterize`: gsplat's call on whatever device the tensors are."""

from typing import Any

from torch import Tensor

from ..rendering.backends import choose_backend


def rasterize(means: Tensor, *arguments: Any, backend: str = "auto", **options: Any) -> tuple[Tensor, Tensor, dict]:
    """Images, alphas and info of `gsplat.rasterization`, with its arguments (`rendering.signature.Arguments`).

    Args:
        means: [N, 3].
        backend: see `rendering.backends.choose_backend`; auto is gsplat for CUDA tensors, and the CPU's otherwise.

    Raises:
        ValueError: the arguments do not fit each other; the message names the one that does not.
    """
    return choose_backend(backend, means.device)(means, *arguments, **options)
