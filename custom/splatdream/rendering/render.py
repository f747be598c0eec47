"""A cloud of Gaussians and a batch of cameras to images: one rasterizer call for the whole batch.

B cameras, N Gaussians.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..gaussians.cloud import GaussianCloud
from ..gaussians.spherical_harmonics import sh0_to_rgb
from .backends import choose_backend
from .signature import screen_variance


@dataclass
class RenderOutput:
    """What B cameras see."""

    rgb: Float[Tensor, "B height width 3"]
    """Colors over the background; not clamped above."""
    alpha: Float[Tensor, "B height width 1"]
    depth: Float[Tensor, "B height width 1"]
    """Expected z in the camera, world units; 0 where nothing is seen."""
    means2d: Float[Tensor, "B N 2"]
    """Centers in pixels. After the backward pass of a differentiable render `means2d.grad` holds d loss / d pixel and
    `means2d.contributions` [B, N] the sum over pixels of each Gaussian's blending weight."""
    radii: Int[Tensor, "B N 2"]
    """Half sizes on the screen in pixels; 0 for a Gaussian that a camera does not draw."""


def render(
    cloud: GaussianCloud,
    cameras: CameraBatch,
    background: Float[Tensor, "B 3"] | Float[Tensor, "B height width 3"],
    active_sh_degree: int,
    backend: str = "auto",
    rasterize_mode: str = "antialiased",
    absgrad: bool = False,
) -> RenderOutput:
    """Renders all cameras at once; differentiable in the cloud and the background.

    Args:
        background: one color a camera, or one a pixel.
        active_sh_degree: coefficients above this degree are ignored.
        backend: see `choose_backend`.
        rasterize_mode: "classic" or "antialiased", see `signature.Arguments`.
        absgrad: whether backward leaves `means2d.absgrad`, the sum over pixels of the absolute gradient.

    Raises:
        ValueError: the degree is above what the cloud stores, or a parameter is not finite.
    """
    if not 0 <= active_sh_degree <= cloud.sh_degree:
        raise ValueError(
            f"active_sh_degree {active_sh_degree} must be between 0 and the cloud's degree {cloud.sh_degree}"
        )
    rasterization = choose_backend(backend, cloud.means.device)
    if active_sh_degree == 0:
        # The same color from everywhere needs no directions.
        colors, sh_degree = sh0_to_rgb(cloud.sh0[:, 0]).clamp(min=0), None
    else:
        colors, sh_degree = cloud.sh, active_sh_degree
    is_per_pixel = background.ndim == 4
    images, alphas, info = rasterization(
        cloud.means,
        cloud.quats,
        cloud.scales,
        cloud.opacities,
        colors,
        cameras.viewmats,
        cameras.Ks,
        cameras.width,
        cameras.height,
        sh_degree=sh_degree,
        backgrounds=None if is_per_pixel else background,
        render_mode="RGB+ED",
        rasterize_mode=rasterize_mode,
        eps2d=screen_variance(rasterize_mode),
        absgrad=absgrad,
    )
    rgb, depth = images[..., :3], images[..., 3:]
    if is_per_pixel:
        rgb = rgb + (1 - alphas) * background
    return RenderOutput(rgb=rgb, alpha=alphas, depth=depth, means2d=info["means2d"], radii=info["radii"])
