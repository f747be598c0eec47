"""Samples along rays, one after another, ray by ray: what is empty costs nothing.

R rays, S samples of all rays together.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Rays:
    origins: Float[Tensor, "R 3"]
    directions: Float[Tensor, "R 3"]
    """Of length 1."""

    def __len__(self) -> int:
        return len(self.origins)


@dataclass(frozen=True)
class RaySamples:
    """Pieces of rays; those of one ray stand together, the nearest first."""

    ray_indices: Int[Tensor, "S"]
    starts: Float[Tensor, "S"]
    """Distances from the origin of the ray, world units."""
    ends: Float[Tensor, "S"]

    @property
    def middles(self) -> Float[Tensor, "S"]:
        return 0.5 * (self.starts + self.ends)

    def points(self, rays: Rays) -> Float[Tensor, "S 3"]:
        """The middles in space."""
        return rays.origins[self.ray_indices] + self.middles[:, None] * rays.directions[self.ray_indices]

    def chosen(self, is_chosen: Bool[Tensor, "S"]) -> "RaySamples":
        return RaySamples(self.ray_indices[is_chosen], self.starts[is_chosen], self.ends[is_chosen])


def box_distances(
    rays: Rays, low: Float[Tensor, "3"], high: Float[Tensor, "3"]
) -> tuple[Float[Tensor, "R"], Float[Tensor, "R"]]:
    """Where each ray enters a box and where it leaves it; the second is not above the first for rays that miss."""
    # A ray along a face would divide nothing by nothing.
    directions = torch.where(rays.directions.abs() < 1e-12, torch.full_like(rays.directions, 1e-12), rays.directions)
    to_low, to_high = (low - rays.origins) / directions, (high - rays.origins) / directions
    enter = torch.minimum(to_low, to_high).amax(-1).clamp(min=0)
    return enter, torch.maximum(to_low, to_high).amin(-1)


def uniform_samples(
    rays: Rays,
    is_occupied: Bool[Tensor, "X Y Z"],
    radius: float,
    step: float,
    jitter: Float[Tensor, "R"] | None = None,
) -> RaySamples:
    """Bins of one length along each ray, those kept whose middle lies in an occupied cell.

    Args:
        is_occupied: cells of the cube of half side `radius` round the origin, world units.
        step: length of a bin, world units.
        jitter: shifts the bins of each ray by this share of one, in [0, 1); none leaves them where they are.
    """
    if not is_occupied.any():
        return _no_samples(rays)
    cells = torch.tensor(is_occupied.shape, device=rays.origins.device)
    low, high = _occupied_box(is_occupied, radius)
    enter, leave = box_distances(rays, low, high)
    hit = torch.nonzero(leave > enter)[:, 0]
    if len(hit) == 0:
        return _no_samples(rays)
    enter, leave = enter[hit], leave[hit]
    # On a lattice that starts at the camera: the bins must not move when a cell on the border gets empty.
    first = (enter / step).floor() - 1
    num_bins = int(((leave - first * step) / step).max().ceil())
    starts = step * (first[:, None] + torch.arange(num_bins, device=hit.device))
    if jitter is not None:
        starts = starts + step * jitter[hit, None]
    middles = starts + 0.5 * step
    index, bins = torch.nonzero((middles > enter[:, None]) & (middles < leave[:, None]), as_tuple=True)
    samples = RaySamples(hit[index], starts[index, bins], starts[index, bins] + step)
    places = ((samples.points(rays) / (2 * radius) + 0.5) * cells).long()
    places = torch.minimum(places.clamp(min=0), cells - 1)
    return samples.chosen(is_occupied[places[:, 0], places[:, 1], places[:, 2]])


def _occupied_box(is_occupied: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Corners of the smallest box of cells that holds all occupied ones."""
    bounds = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        places = torch.nonzero(is_occupied.any(dim=others[1]).any(dim=others[0]))[:, 0]
        size = 2 * radius / is_occupied.shape[axis]
        bounds.append((places[0] * size - radius, (places[-1] + 1) * size - radius))
    return tuple(torch.stack(side) for side in zip(*bounds, strict=True))


def _no_samples(rays: Rays) -> RaySamples:
    nothing = rays.origins.new_zeros(0)
    return RaySamples(torch.zeros(0, dtype=torch.long, device=nothing.device), nothing, nothing)
