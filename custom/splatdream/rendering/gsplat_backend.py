"""The same call on CUDA tensors: gsplat's rasterization, not packed, so that `info` is by camera and Gaussian.

The only file that imports gsplat.

N Gaussians, C cameras, K spherical-harmonics coefficients a channel, D channels.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from .contributions import contributions_by_gradient
from .signature import Arguments

INSTALL = 'pip install "splatdream[cuda]"'


def rasterization(
    *args: Any, **kwargs: Any
) -> tuple[Float[Tensor, "C height width D"], Float[Tensor, "C height width 1"], dict]:
    """Images of N Gaussians from C cameras on a GPU; takes `signature.Arguments`, returns what `cpu` does.

    Raises:
        ValueError: an argument does not fit the others.
        TypeError: the tensors are not on a CUDA device.
        ImportError: gsplat is missing, or its CUDA code cannot be built; the message says how to get it.
    """
    given = Arguments(*args, **kwargs)
    if given.means.device.type != "cuda":
        raise TypeError(f"means is on {given.means.device}; gsplat renders CUDA tensors only, use the backend 'cpu'")
    options = {name: value for name, value in vars(given).items() if name != "contributions"}
    images, alphas, info = _import_gsplat()(**options, packed=False)
    if given.contributions:
        info["contributions"] = contributions_by_gradient(rasterization, given)
    if info["means2d"].requires_grad:
        info["means2d"].retain_grad()
    return images, alphas, info


def _import_gsplat():
    try:
        from gsplat import rasterization as gsplat_rasterization
        from gsplat.cuda._backend import _C
    except ImportError as error:
        raise ImportError(f"gsplat cannot be imported ({error}); install it with: {INSTALL}") from error
    if _C is None:
        raise ImportError(
            "gsplat is installed but its CUDA code could not be built: it needs nvcc of torch's CUDA version and a C++ "
            "compiler (or a wheel with compiled code from https://docs.gsplat.studio/whl); "
            "meanwhile system.renderer.backend=cpu renders without it"
        )
    return gsplat_rasterization
