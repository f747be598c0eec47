"""Noisy point growing with color perturbation (GaussianDreamer sec. 3.3, arXiv:2310.08529)."""

from dataclasses import dataclass

import torch

from .surface import SurfacePoints


@dataclass
class GrowthConfig:
    candidates: int = 0
    """Points that are drawn from the bounding box of the initial ones; those near one of them are added."""
    distance: float = 0.01
    """Up to which a candidate is near, as a share of the longest side of the box."""
    color_shift: float = 0.2
    """A new point has the color of the nearest one plus a shift that is drawn from 0 to this, for each channel."""


def grown(start: SurfacePoints, config: GrowthConfig, generator: torch.Generator) -> SurfacePoints:
    """The points, and new ones about them, with the normal of the nearest; colors are cut off at 1.

    Raises:
        ValueError: a number that is negative.
    """
    from scipy.spatial import cKDTree

    if min(config.candidates, config.distance, config.color_shift) < 0:
        raise ValueError(f"the numbers of system.geometry.growth must not be negative, got {config}")
    low, high = start.points.amin(0), start.points.amax(0)
    candidates = low + (high - low) * torch.rand(config.candidates, 3, generator=generator)
    distances, nearest = cKDTree(start.points.numpy()).query(candidates.numpy())
    is_near = torch.from_numpy(distances) <= config.distance * float((high - low).max())
    nearest = torch.from_numpy(nearest)[is_near]
    points = torch.cat([start.points, candidates[is_near]])
    colors, normals = start.colors, start.normals
    if colors is not None:
        shifts = config.color_shift * torch.rand(len(nearest), 3, generator=generator)
        colors = torch.cat([colors, (colors[nearest] + shifts).clamp_max(1)])
    if normals is not None:
        normals = torch.cat([normals, normals[nearest]])
    return SurfacePoints(points, colors, normals)
