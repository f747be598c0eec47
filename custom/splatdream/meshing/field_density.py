"""The density of a radiance field for a surface: the opacity of one sample of its rays, in [0, 1].

Not the density itself, which may grow without bound inside of an object where nobody can see it. P points.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..fields.volume import Volume
from .density_grid import Grid, joined
from .threshold import best_level

_POINTS_AT_ONCE = 1 << 18
_LEVEL_RESOLUTION = 96
# No two samples of a ray are more opaque than this: a logarithm must stay finite.
_MAX_ALPHA = 1 - 1e-6


@dataclass(frozen=True)
class FieldDensity:
    volume: Volume

    def grid(self, resolution: int) -> Grid:
        """Round the occupied cells.

        Raises:
            ValueError: no cell is occupied.
        """
        is_occupied = self.volume.occupancy.is_occupied
        places = torch.nonzero(is_occupied)
        if len(places) == 0:
            raise ValueError("the field is empty everywhere; there is no surface to extract")
        radius, size = self.volume.field.options.radius, 2 * self.volume.field.options.radius / len(is_occupied)
        low, high = places.amin(0).cpu() * size - radius, (places.amax(0).cpu() + 1) * size - radius
        step = float((high - low).max()) / (resolution - 1 - 2)
        shape = tuple(int(n) for n in ((high - low) / step).ceil().long() + 3)
        return Grid(origin=tuple((low - step).tolist()), step=step, shape=shape)

    def slabs(self, grid: Grid) -> Iterable[tuple[int, Float[Tensor, "nx ny nz"]]]:
        device = self.volume.field.encoding.table.device
        layers, last_layer = max(1, _POINTS_AT_ONCE // (grid.shape[1] * grid.shape[2])), None
        for start in range(0, grid.shape[0], layers):
            x = torch.arange(start, min(start + layers, grid.shape[0]))
            y, z = (torch.arange(count) for count in grid.shape[1:])
            points = grid.to_world(torch.stack(torch.meshgrid(x, y, z, indexing="ij"), dim=-1).float().view(-1, 3))
            slab = self._alphas(points.to(device)).cpu().view(len(x), len(y), len(z))
            # Carried over: both slabs must find the very same vertices in the layer that they share.
            yield (start, slab) if last_layer is None else (start - 1, torch.cat([last_layer, slab]))
            last_layer = slab[-1:]

    def level(self) -> float:
        grid = self.grid(_LEVEL_RESOLUTION)
        densities = joined(self.slabs(grid))
        # Seen from infinity: samples as long as a cell of this grid, in place of one of a ray.
        log_clear = (-densities.clamp(max=_MAX_ALPHA)).log1p() * (grid.step / self.volume.step_size)
        return best_level(densities, [-torch.expm1(log_clear.sum(dim=axis)) for axis in range(3)])

    @torch.no_grad()
    def _alphas(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        """0 in cells where rays do not look."""
        alphas = points.new_zeros(len(points))
        looked_at = self.volume.occupancy.contains(points)
        densities = self.volume.field.density(points[looked_at])
        alphas[looked_at] = -torch.expm1(-densities * self.volume.step_size)
        return alphas
