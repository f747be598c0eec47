"""The same call on CUDA tensors: gsplat's rasterization, not packed, so that `info` is by camera and Gaussian.

The only file that imports gsplat.

N Gaussians, C cameras, K spherical-harmonics coefficients a channel, D channels.
"""

from jaxtyping import Float
from torch import Tensor

from .signature import check_arguments

INSTALL = 'pip install "splatdream[cuda]"'


def rasterization(
    means: Float[Tensor, "N 3"],
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    opacities: Float[Tensor, "N"],
    colors: Float[Tensor, "N 3"] | Float[Tensor, "C N 3"] | Float[Tensor, "N K 3"],
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    backgrounds: Float[Tensor, "C 3"] | None = None,
    render_mode: str = "RGB",
    absgrad: bool = False,
) -> tuple[Float[Tensor, "C height width D"], Float[Tensor, "C height width 1"], dict]:
    """Images of N Gaussians from C cameras on a GPU; arguments and results as `cpu.rasterization`.

    Raises:
        ValueError: an argument does not fit the others.
        TypeError: the tensors are not on a CUDA device.
        ImportError: gsplat is missing, or its CUDA code cannot be built; the message says how to get it.
    """
    check_arguments(
        means, quats, scales, opacities, colors, viewmats, Ks, width, height, sh_degree, backgrounds, render_mode
    )
    if means.device.type != "cuda":
        raise TypeError(f"means is on {means.device}; gsplat renders CUDA tensors only, use the backend 'cpu'")
    gsplat_rasterization = _import_gsplat()
    images, alphas, info = gsplat_rasterization(
        means,
        quats,
        scales,
        opacities,
        colors,
        viewmats,
        Ks,
        width,
        height,
        near_plane=near_plane,
        far_plane=far_plane,
        radius_clip=radius_clip,
        eps2d=eps2d,
        sh_degree=sh_degree,
        packed=False,
        backgrounds=backgrounds,
        render_mode=render_mode,
        absgrad=absgrad,
    )
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
