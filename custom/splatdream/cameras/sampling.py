"""Where training cameras stand: ranges, stratified azimuths, groups of views, and how ranges widen during a run.

B cameras in groups of V views; B is a multiple of V.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from .batch import CameraBatch
from .conventions import look_at, orbit_positions, wrap_degrees


@dataclass(frozen=True)
class OrbitRanges:
    """What is drawn from where; each range is (low, high)."""

    elevation_deg: tuple[float, float]
    azimuth_deg: tuple[float, float]
    distance: tuple[float, float]
    fovy_deg: tuple[float, float]


@dataclass(frozen=True)
class Perturbation:
    """Half-widths (position, target) and standard deviation (up) of what shakes the cameras, world units."""

    position: float = 0.0
    target: float = 0.0
    up: float = 0.0


def widen(ranges: OrbitRanges, start_elevation_deg: float, start_azimuth_deg: float, progress: float) -> OrbitRanges:
    """Ranges that grow from one direction (progress 0) to their full width (progress 1 and above)."""
    ratio = min(max(progress, 0.0), 1.0)

    def grow(full: tuple[float, float], start: float) -> tuple[float, float]:
        return ((1 - ratio) * start + ratio * full[0], (1 - ratio) * start + ratio * full[1])

    return replace(
        ranges,
        elevation_deg=grow(ranges.elevation_deg, start_elevation_deg),
        azimuth_deg=grow(ranges.azimuth_deg, start_azimuth_deg),
    )


def sample_elevations(
    low_deg: float, high_deg: float, num: int, is_uniform_on_sphere: bool, generator: torch.Generator
) -> Float[Tensor, "num"]:
    """Elevations in degrees, uniform in angle or uniform in area on the sphere."""
    uniform = torch.rand(num, generator=generator)
    if not is_uniform_on_sphere:
        return low_deg + (high_deg - low_deg) * uniform
    low, high = torch.sin(torch.deg2rad(torch.tensor([low_deg, high_deg])))
    return torch.rad2deg(torch.asin(low + (high - low) * uniform))


def sample_azimuths(
    low_deg: float, high_deg: float, num_groups: int, views_per_group: int, generator: torch.Generator
) -> Float[Tensor, "B"]:
    """Azimuths in degrees: one stratum a group, and the views of a group spread evenly round the circle.

    With one view a group this is stratified sampling over the batch. With V views, the first view is stratified over
    the range and the others follow at 360 / V degrees (MVDream, arXiv:2308.16512, sec. 3).
    """
    strata = (torch.arange(num_groups) + torch.rand(num_groups, generator=generator)) / num_groups
    first = low_deg + (high_deg - low_deg) * strata
    offsets = torch.arange(views_per_group) * (360.0 / views_per_group)
    azimuths = (first[:, None] + offsets[None, :]).reshape(-1)
    return wrap_degrees(azimuths) if views_per_group > 1 else azimuths


def sample_cameras(
    ranges: OrbitRanges,
    batch_size: int,
    width: int,
    height: int,
    generator: torch.Generator,
    views_per_group: int = 1,
    sphere_probability: float = 0.0,
    perturbation: Perturbation | None = None,
) -> CameraBatch:
    """A batch of random cameras that look at the origin.

    The views of a group share elevation, distance and field of view. With probability `sphere_probability` the
    elevations of the whole batch are uniform on the sphere instead of uniform in angle.
    """
    if batch_size % views_per_group != 0:
        raise ValueError(
            f"batch_size {batch_size} must be a multiple of views_per_group {views_per_group}; set data.batch_size"
        )
    num_groups = batch_size // views_per_group
    is_uniform_on_sphere = torch.rand((), generator=generator).item() < sphere_probability
    elevations = sample_elevations(*ranges.elevation_deg, num_groups, is_uniform_on_sphere, generator)
    azimuths = sample_azimuths(*ranges.azimuth_deg, num_groups, views_per_group, generator)
    distances, fovy_deg = (
        low + (high - low) * torch.rand(num_groups, generator=generator)
        for low, high in (ranges.distance, ranges.fovy_deg)
    )
    elevations, distances, fovy_deg = (
        values.repeat_interleave(views_per_group) for values in (elevations, distances, fovy_deg)
    )
    shake = perturbation or Perturbation()
    positions = orbit_positions(elevations, azimuths, distances)
    targets, up = torch.zeros(batch_size, 3), torch.tensor([0.0, 0.0, 1.0]).expand(batch_size, 3)
    if shake != Perturbation():
        positions = positions + shake.position * (2 * torch.rand(batch_size, 3, generator=generator) - 1)
        targets = shake.target * (2 * torch.rand(batch_size, 3, generator=generator) - 1)
        up = up + shake.up * torch.randn(batch_size, 3, generator=generator)
    return CameraBatch(
        c2w=look_at(positions, targets, up),
        fovy_rad=torch.deg2rad(fovy_deg),
        elevation_deg=elevations,
        azimuth_deg=azimuths,
        distances=distances,
        width=width,
        height=height,
    )
