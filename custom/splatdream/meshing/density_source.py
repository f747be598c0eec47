"""What a surface is taken from: a density on any grid, and the level of its surface."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from .density_grid import Grid, density_slabs, enclosing_grid
from .threshold import automatic_threshold


@runtime_checkable
class DensitySource(Protocol):
    def grid(self, resolution: int) -> Grid:
        """Round the object, `resolution` points along its longest side, with an empty margin."""

    def slabs(self, grid: Grid) -> Iterable[tuple[int, Float[Tensor, "nx ny nz"]]]:
        """(first index along x, densities) of slabs that cover the grid; neighbors share one layer of points."""

    def level(self) -> float:
        """The density whose silhouettes agree best with what is seen."""


@dataclass(frozen=True)
class CloudDensity:
    """Of Gaussians that can take part in a surface (`density_grid.solid_part`)."""

    solid: GaussianCloud

    def grid(self, resolution: int) -> Grid:
        return enclosing_grid(self.solid, resolution)

    def slabs(self, grid: Grid) -> Iterable[tuple[int, Float[Tensor, "nx ny nz"]]]:
        return density_slabs(self.solid, grid)

    def level(self) -> float:
        return automatic_threshold(self.solid)
