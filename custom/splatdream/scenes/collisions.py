"""Which placed objects run into each other: the overlap of the volumes that they occupy.

An object occupies what its surface encloses (the density level of `meshing/threshold.py`, the hollow inside included),
on one lattice of cubic cells for all objects.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from jaxtyping import Bool
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..meshing.cavities import hollow
from ..meshing.density_grid import Grid, dense_grid, enclosing_grid, solid_part
from ..meshing.threshold import automatic_threshold

_CELLS_OF_THE_SMALLEST, _CELLS_OF_THE_LARGEST = 48, 128
"""Along the longest side of an object: at least, as long as the other is not exceeded."""


@dataclass(frozen=True)
class Occupancy:
    """Cells first, first + 1, ... along x, y and z of a lattice through the origin."""

    first: tuple[int, int, int]
    is_inside: Bool[Tensor, "nx ny nz"]

    @property
    def count(self) -> int:
        return int(self.is_inside.sum())

    def shared_with(self, other: "Occupancy") -> int:
        """Cells that both occupy."""
        low = [max(a, b) for a, b in zip(self.first, other.first, strict=True)]
        ends = zip(self.first, self.is_inside.shape, other.first, other.is_inside.shape, strict=True)
        high = [min(a + n, b + m) for a, n, b, m in ends]
        if any(start >= end for start, end in zip(low, high, strict=True)):
            return 0
        mine, its = (
            part.is_inside[tuple(slice(a - o, b - o) for a, b, o in zip(low, high, part.first, strict=True))]
            for part in (self, other)
        )
        return int((mine & its).sum())


@dataclass(frozen=True)
class Collision:
    first: str
    second: str
    """Names of the two objects."""
    volume: float
    """That both occupy, world units cubed."""
    share: float
    """Of the smaller one's volume."""

    def __str__(self) -> str:
        return (
            f"{self.first} and {self.second} overlap by {self.share:.1%} of the smaller, a volume of {self.volume:.2g}"
        )


def collisions(clouds: Mapping[str, GaussianCloud]) -> tuple[dict[str, float | None], list[Collision]]:
    """The volume that each object occupies, None where it is too faint to have a surface; and all pairs that overlap,
    the worst first."""
    solid = {name: _solid(cloud) for name, cloud in clouds.items()}
    found = {name: cloud for name, cloud in solid.items() if cloud is not None}
    step = _step([enclosing_grid(cloud, _CELLS_OF_THE_SMALLEST) for cloud in found.values()])
    occupied = {name: occupancy(cloud, step) for name, cloud in found.items()}
    volumes = {name: occupied[name].count * step**3 if name in occupied else None for name in clouds}
    pairs = []
    for (first, a), (second, b) in combinations(occupied.items(), 2):
        shared = a.shared_with(b)
        if shared:
            pairs.append(Collision(first, second, shared * step**3, shared / min(a.count, b.count)))
    return volumes, sorted(pairs, key=lambda pair: -pair.share)


def occupancy(cloud: GaussianCloud, step: float) -> Occupancy:
    """What a solid cloud encloses.

    Args:
        step: of the lattice, world units.
    """
    around = enclosing_grid(cloud, _CELLS_OF_THE_SMALLEST)
    first = tuple(math.floor(start / step) for start in around.origin)
    ends = [start + around.step * (count - 1) for start, count in zip(around.origin, around.shape, strict=True)]
    shape = tuple(math.ceil(end / step) - start + 1 for end, start in zip(ends, first, strict=True))
    densities = dense_grid(cloud, Grid(tuple(step * start for start in first), step, shape))
    is_solid = densities > automatic_threshold(cloud)
    return Occupancy(first, is_solid | hollow(is_solid).to(is_solid.device))


def _solid(cloud: GaussianCloud) -> GaussianCloud | None:
    try:
        return solid_part(cloud)
    except ValueError:  # nothing of it is opaque enough
        return None


def _step(grids: list[Grid]) -> float:
    sides = [grid.step * (max(grid.shape) - 1) for grid in grids]
    return max(min(sides) / _CELLS_OF_THE_SMALLEST, max(sides) / _CELLS_OF_THE_LARGEST) if sides else 1.0
