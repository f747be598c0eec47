"""The rasterizer as the papers write it: every Gaussian against every pixel, in pure torch. Slow, short, and right.

EWA splatting (Zwicker et al. 2001) as 3DGS (arXiv:2308.04079) and gsplat (arXiv:2409.06765) do it. Works in any
floating type and on any device, and is differentiable by autograd.

N Gaussians, C cameras, D channels, P pixels.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..gaussians.rotations import quat_to_matrix
from .signature import (
    ALPHA_THRESHOLD,
    FRUSTUM_MARGIN,
    MAX_ALPHA,
    MAX_EXTENT_SIGMAS,
    MIN_DETERMINANT,
    MIN_TRANSMITTANCE,
    Arguments,
)


def project(
    means: Float[Tensor, "N 3"],
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
    eps2d: float,
) -> tuple[Float[Tensor, "C N 2"], Float[Tensor, "C N 2 2"], Float[Tensor, "C N"], Float[Tensor, "C N"]]:
    """Centers in pixels, covariances in pixels^2 with eps2d on the diagonal, depths (z in the camera), compensations.

    A compensation is the area of the ellipse before eps2d over that after: sqrt(det before / det after).

    The Jacobian of the projection is taken at a point that is clamped to just outside of the frustum, as gsplat does,
    so that Gaussians far to the side do not blow up.
    """
    rotation = viewmats[:, :3, :3]
    in_camera = torch.einsum("cij,nj->cni", rotation, means) + viewmats[:, None, :3, 3]
    x, y, z = in_camera.unbind(-1)
    fx, fy, cx, cy = (Ks[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], dim=-1)

    margin_x, margin_y = FRUSTUM_MARGIN * 0.5 * width / fx, FRUSTUM_MARGIN * 0.5 * height / fy
    slope_x = torch.clamp(x / z, -(cx / fx + margin_x), (width - cx) / fx + margin_x)
    slope_y = torch.clamp(y / z, -(cy / fy + margin_y), (height - cy) / fy + margin_y)
    zero = torch.zeros_like(z)
    jacobian = torch.stack([fx / z, zero, -fx * slope_x / z, zero, fy / z, -fy * slope_y / z], dim=-1)
    jacobian = jacobian.reshape(*z.shape, 2, 3)
    axes = quat_to_matrix(quats) * scales[:, None, :]  # column j: local axis j times its standard deviation
    half = torch.einsum("cnij,cjk,nkl->cnil", jacobian, rotation, axes)
    covariances = half @ half.transpose(-1, -2) + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    # det(half half^T) is a squared norm (Cauchy and Binet). The gradient of a norm at 0 is 0, that of a root is not.
    area = torch.linalg.vector_norm(torch.linalg.cross(half[..., 0, :], half[..., 1, :], dim=-1), dim=-1)
    compensations = area / torch.linalg.det(covariances).clamp(min=MIN_DETERMINANT).sqrt()
    return means2d, covariances, z, compensations


def screen_radii(
    means2d: Float[Tensor, "C N 2"],
    covariances: Float[Tensor, "C N 2 2"],
    depths: Float[Tensor, "C N"],
    opacities: Float[Tensor, "C N"],
    width: int,
    height: int,
    near_plane: float,
    far_plane: float,
    radius_clip: float,
) -> Int[Tensor, "C N 2"]:
    """Half sizes in pixels of the box where alpha can reach 1/255; 0 for a Gaussian that is not drawn."""
    extent = torch.sqrt(2 * torch.log((opacities / ALPHA_THRESHOLD).clamp(min=1))).clamp(max=MAX_EXTENT_SIGMAS)
    variances = covariances.diagonal(dim1=-2, dim2=-1)
    radii = torch.ceil(extent[..., None] * variances.sqrt())
    image_size = torch.tensor([width, height], dtype=means2d.dtype, device=means2d.device)
    is_drawn = (depths > near_plane) & (depths < far_plane) & (opacities >= ALPHA_THRESHOLD)
    is_drawn &= ((means2d + radii > 0) & (means2d - radii < image_size)).all(dim=-1)
    is_drawn &= (radii > radius_clip).any(dim=-1)
    return torch.where(is_drawn[..., None], radii, torch.zeros_like(radii)).int()


def blending_weights(alphas: Float[Tensor, "P N"]) -> Float[Tensor, "P N"]:
    """Share of each of N layers, front to back, in what P rays see: alpha_k prod_{j<k} (1 - alpha_j).

    A ray stops before the layer that would leave it a transmittance of 1e-4 or less, as in 3DGS.
    """
    after = torch.cumprod(1 - alphas, dim=1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], dim=1)
    return torch.where(after > MIN_TRANSMITTANCE, alphas * before, torch.zeros_like(alphas))


def pixel_alphas(
    centers: Float[Tensor, "P N 2"],
    conics: Float[Tensor, "N 3"],
    opacities: Float[Tensor, "N"],
    width: int,
    height: int,
) -> Float[Tensor, "P N"]:
    """Opacity of each Gaussian at each pixel center, row by row; below 1/255 it counts as zero."""
    kwargs = {"dtype": centers.dtype, "device": centers.device}
    y, x = torch.meshgrid(torch.arange(height, **kwargs) + 0.5, torch.arange(width, **kwargs) + 0.5, indexing="ij")
    dx, dy = x.reshape(-1, 1) - centers[..., 0], y.reshape(-1, 1) - centers[..., 1]
    a, b, c = conics.unbind(-1)
    alphas = opacities * torch.exp(-(0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy))
    alphas = alphas.clamp(max=MAX_ALPHA)
    return torch.where(alphas >= ALPHA_THRESHOLD, alphas, torch.zeros_like(alphas))


def rasterization(
    *args: Any, **kwargs: Any
) -> tuple[Float[Tensor, "C height width D"], Float[Tensor, "C height width 1"], dict]:
    """Images of N Gaussians from C cameras; takes `signature.Arguments`, returns what `cpu.rasterization` does.

    Memory is O(N P): small scenes only.

    Raises:
        ValueError: an argument does not fit the others; the message names it.
    """
    given = Arguments(*args, **kwargs)
    width, height = given.width, given.height
    means2d, covariances, depths, compensations = project(
        given.means, given.quats, given.scales, given.viewmats, given.Ks, width, height, given.eps2d
    )
    if means2d.requires_grad:
        means2d.retain_grad()
    determinants = torch.linalg.det(covariances).clamp(min=MIN_DETERMINANT)
    conics = torch.stack([covariances[..., 1, 1], -covariances[..., 0, 1], covariances[..., 0, 0]], dim=-1)
    conics = conics / determinants[..., None]
    opacities = given.opacities.expand(len(given.viewmats), -1)
    if given.is_antialiased:
        opacities = opacities * compensations
    with torch.no_grad():
        limits = (given.near_plane, given.far_plane, given.radius_clip)
        radii = screen_radii(means2d, covariances, depths, opacities, width, height, *limits)
    colors = given.rgb(given.viewmats).expand(len(given.viewmats), -1, -1)

    images, alphas, contributions = [], [], torch.zeros_like(depths)
    for camera in range(len(given.viewmats)):
        drawn = torch.nonzero((radii[camera] > 0).all(dim=-1))[:, 0]
        order = drawn[torch.argsort(depths[camera][drawn], stable=True)]
        centers = means2d[camera][order].expand(width * height, -1, -1)
        if given.absgrad and centers.requires_grad:
            centers.register_hook(_absgrad_hook(means2d, camera, order))
        pixels = pixel_alphas(centers, conics[camera][order], opacities[camera][order], width, height)
        weights = blending_weights(pixels)
        contributions[camera, order] = weights.detach().sum(dim=0)
        features = torch.cat([colors[camera][order], depths[camera][order, None]], dim=-1)
        images.append((weights @ features).reshape(height, width, 4))
        alphas.append(weights.sum(dim=1).reshape(height, width, 1))
    render_alphas = torch.stack(alphas)
    has_rgb, has_depth, is_expected_depth = given.contents
    render_rgb, render_depth = torch.stack(images).split([3, 1], dim=-1)
    if given.backgrounds is not None:
        render_rgb = render_rgb + (1 - render_alphas) * given.backgrounds[:, None, None, :]
    if is_expected_depth:
        render_depth = render_depth / render_alphas.clamp(min=1e-10)
    channels = [render_rgb] * has_rgb + [render_depth] * has_depth
    means2d.contributions = contributions
    info = given.info(means2d=means2d, radii=radii, depths=depths, conics=conics)
    return torch.cat(channels, dim=-1), render_alphas, info


def _absgrad_hook(means2d: Tensor, camera: int, order: Tensor):
    """Adds the sum over pixels of |d loss / d center| to `means2d.absgrad`, as gsplat does."""

    def hook(gradient: Tensor) -> None:
        if not hasattr(means2d, "absgrad"):
            means2d.absgrad = torch.zeros_like(means2d)
        means2d.absgrad[camera, order] += gradient.abs().sum(dim=0)

    return hook
