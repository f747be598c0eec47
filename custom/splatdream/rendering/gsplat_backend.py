"""The same call on CUDA tensors: gsplat's rasterization, not packed, so that `info` is by camera and Gaussian.

The only file that imports gsplat.

N Gaussians, C cameras, K spherical-harmonics coefficients a channel, D channels.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

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
    gsplat_rasterization = _import_gsplat()
    if torch.is_grad_enabled() and given.contents[0]:
        return rasterization_with_weights(gsplat_rasterization, given)
    return _with_gradient_kept(*gsplat_rasterization(**vars(given), packed=False))


def rasterization_with_weights(
    gsplat_rasterization: Callable, given: Arguments
) -> tuple[Float[Tensor, "C height width D"], Float[Tensor, "C height width 1"], dict]:
    """What gsplat draws, with one more color that is black and whose gradient is 1 at every pixel.

    The derivative of the images with respect to a color is the blending weight, so its sum over pixels comes with the
    backward pass; being black, the color changes no other gradient.
    """
    black = given.means.new_zeros(len(given.viewmats), len(given.means), 1).requires_grad_()
    colors = torch.cat([given.rgb(given.viewmats).expand(*black.shape[:2], 3), black], dim=-1)
    backgrounds = given.backgrounds
    if backgrounds is not None:
        backgrounds = torch.nn.functional.pad(backgrounds, (0, 1))
    options = vars(given) | {"colors": colors, "sh_degree": None, "backgrounds": backgrounds}
    images, alphas, info = _with_gradient_kept(*gsplat_rasterization(**options, packed=False))
    means2d = info["means2d"]
    black.register_hook(lambda weights: setattr(means2d, "contributions", weights[..., 0]))
    return _WithoutBlack.apply(images), alphas, info


class _WithoutBlack(torch.autograd.Function):
    """Images without their fourth channel, whose gradient is 1."""

    @staticmethod
    def forward(ctx, images):
        return torch.cat([images[..., :3], images[..., 4:]], dim=-1)

    @staticmethod
    def backward(ctx, gradient):
        return torch.cat([gradient[..., :3], torch.ones_like(gradient[..., :1]), gradient[..., 3:]], dim=-1)


def _with_gradient_kept(images: Tensor, alphas: Tensor, info: dict) -> tuple[Tensor, Tensor, dict]:
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
