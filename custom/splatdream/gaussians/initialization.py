"""The first cloud: a ball of Gaussians, or one Gaussian at each given point, round or lying on a surface.

N Gaussians, K = (sh_degree + 1)^2 spherical-harmonics coefficients a channel.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .cloud import GaussianCloud
from .spherical_harmonics import num_coefficients, rgb_to_sh0

NUM_NEIGHBORS = 3
# 3DGS floors the mean squared distance to the neighbors here, so that points that coincide keep a finite log scale.
MIN_SQUARED_DISTANCE = 1e-7
POINTS_PER_BOX = 128


def ball(
    num_points: int,
    radius: float,
    generator: torch.Generator,
    color: Sequence[float] = (0.5, 0.5, 0.5),
    color_std: float = 0.0,
    opacity: float = 0.1,
    scale: float | None = None,
    sh_degree: int = 0,
) -> GaussianCloud:
    """Round Gaussians at points drawn from a ball about the origin (DreamGaussian sec. 3.1, arXiv:2309.16653).

    Distances from the origin are uniform to the power 1/3, hence the density is uniform in the ball.

    Args:
        radius: of the ball, world units.
        color: RGB in [0, 1].
        color_std: standard deviation of the color from point to point; colors are clamped to [0, 1].
        opacity: of every Gaussian, in (0, 1).
        scale: standard deviation, world units; None takes it from the distances to the nearest neighbors.
    """
    if num_points < 1 or radius <= 0:
        raise ValueError(f"a ball needs points and a radius above 0, got {num_points} points and radius {radius}")
    device = generator.device
    directions = torch.randn(num_points, 3, generator=generator, device=device)
    directions = torch.nn.functional.normalize(directions, dim=-1)
    distances = radius * torch.rand(num_points, 1, generator=generator, device=device) ** (1 / 3)
    noise = torch.randn(num_points, 3, generator=generator, device=device)
    colors = (torch.tensor(color, dtype=torch.float32, device=device) + color_std * noise).clamp(0, 1)
    if num_points == 1 and scale is None:
        scale = radius
    return from_points(directions * distances, colors, opacity=opacity, scale=scale, sh_degree=sh_degree)


def from_points(
    points: Float[Tensor, "N 3"],
    colors: Float[Tensor, "N 3"] | None = None,
    opacity: float = 0.1,
    scale: float | None = None,
    sh_degree: int = 0,
    normals: Float[Tensor, "N 3"] | None = None,
    flatness: float = 1.0,
) -> GaussianCloud:
    """One Gaussian at each point, round, or a disk across the normal.

    Args:
        points: world units.
        colors: RGB in [0, 1]; None is mid gray.
        opacity: of every Gaussian, in (0, 1).
        scale: standard deviation, world units; None takes the root mean square distance to the three nearest
            neighbors, as 3DGS does.
        normals: of the surface that the points lie on, unit length; the third axis of a Gaussian turns there.
        flatness: standard deviation along the normal over that across it, in (0, 1]; 1 is round. Without normals
            Gaussians are round.

    Raises:
        ValueError: no points, points that are not finite, an opacity outside (0, 1), a scale that is not positive,
            a flatness outside (0, 1], a degree outside 0..3, or a single point without a scale.
    """
    num_points = len(points)
    if num_points == 0:
        raise ValueError("a cloud cannot start from 0 points")
    if not torch.isfinite(points).all():
        raise ValueError("a cloud cannot start from points that are not finite; remove the NaN and infinite ones")
    _check_looks(opacity, scale, flatness)
    num_higher = num_coefficients(sh_degree) - 1
    scales = neighbor_distances(points) if scale is None else torch.full_like(points[:, 0], scale)
    colors = torch.full_like(points, 0.5) if colors is None else colors.to(points)
    log_scales = scales.log()[:, None].repeat(1, 3)
    if normals is not None:
        log_scales[:, 2] += math.log(flatness)
    return GaussianCloud(
        means=points.clone(),
        log_scales=log_scales,
        quats=_unturned(points) if normals is None else _turned_to(normals),
        opacity_logits=torch.full_like(points[:, 0], math.log(opacity / (1 - opacity))),
        sh0=rgb_to_sh0(colors)[:, None, :],
        shN=torch.zeros(num_points, num_higher, 3, dtype=points.dtype, device=points.device),
    )


def _check_looks(opacity: float, scale: float | None, flatness: float) -> None:
    if not 0 < opacity < 1:
        raise ValueError(f"the initial opacity must lie between 0 and 1, both excluded, got {opacity}")
    if scale is not None and not scale > 0:
        raise ValueError(f"the initial scale must be above 0, got {scale}")
    if not 0 < flatness <= 1:
        raise ValueError(f"the initial flatness must lie above 0 and be at most 1, which is round, got {flatness}")


def _unturned(points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
    quats = torch.zeros_like(points[:, :1]).repeat(1, 4)
    quats[:, 0] = 1
    return quats


def _turned_to(normals: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
    """The shortest turns from the z axis to the normals, unit length."""
    x, y, z = normals.unbind(-1)
    quats = torch.stack([1 + z, -y, x, torch.zeros_like(x)], dim=-1)
    # Straight down, every half turn about a horizontal axis is as short; the sum above has lost its digits there.
    quats[z < -1 + 1e-6] = quats.new_tensor([0.0, 1.0, 0.0, 0.0])
    return torch.nn.functional.normalize(quats, dim=-1)


def neighbor_distances(points: Float[Tensor, "N 3"]) -> Float[Tensor, "N"]:
    """Root mean square distance of each point to its three nearest neighbors, world units (`distCUDA2` of 3DGS).

    Exact. Points are sorted into boxes, and a box is compared only with those that can hold a neighbor.

    Raises:
        ValueError: fewer than two points.
    """
    num_points = len(points)
    if num_points < 2:
        raise ValueError("one point has no neighbor to take a scale from; give the scale")
    num_neighbors = min(NUM_NEIGHBORS, num_points - 1)
    boxes = _boxes(points, torch.arange(num_points, device=points.device))
    low = torch.stack([points[rows].amin(dim=0) for rows in boxes])
    high = torch.stack([points[rows].amax(dim=0) for rows in boxes])
    squared = torch.empty_like(points[:, 0])
    for index, rows in enumerate(boxes):
        inside = _nearest(points[rows], points[rows], num_neighbors)
        gaps = torch.maximum(low - high[index], low[index] - high).clamp_min(0).norm(dim=-1)
        near = torch.nonzero(gaps <= inside.max())[:, 0].tolist()
        candidates = points[torch.cat([boxes[box] for box in near])]
        squared[rows] = _nearest(points[rows], candidates, num_neighbors).square().mean(dim=1)
    return squared.clamp_min(MIN_SQUARED_DISTANCE).sqrt()


def _nearest(
    points: Float[Tensor, "P 3"], candidates: Float[Tensor, "Q 3"], num_neighbors: int
) -> Float[Tensor, "P num_neighbors"]:
    """Distances to the nearest candidates, of which each point is one itself."""
    # The expansion of |a - b|^2 by a matrix product loses small distances far from the origin.
    distances = torch.cdist(points, candidates, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.topk(num_neighbors + 1, dim=1, largest=False).values[:, 1:]


def _boxes(points: Float[Tensor, "N 3"], rows: Int[Tensor, "M"]) -> list[Int[Tensor, "..."]]:
    """The rows in groups of neighbors, halved along their widest side until they are small."""
    if len(rows) <= POINTS_PER_BOX:
        return [rows]
    inside = points[rows]
    widest = (inside.amax(dim=0) - inside.amin(dim=0)).argmax()
    rows = rows[inside[:, widest].argsort(stable=True)]
    middle = len(rows) // 2
    return _boxes(points, rows[:middle]) + _boxes(points, rows[middle:])
