"""Features of a point from grids of several resolutions: small ones whole, large ones hashed.

Instant NGP's encoding (arXiv:2201.05989, sec. 3). P points, L levels, F features a level, E entries of the table.
"""

import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..cameras.random_streams import generator_for

# Of the spatial hash (ibid., eq. 4).
_PRIMES = (1, 2654435761, 805459861)
_CORNERS = tuple(itertools.product((0, 1), repeat=3))
_INITIAL_RANGE = 1e-4


def level_resolutions(num_levels: int, coarsest: int, finest: int) -> list[int]:
    """Cells along a side of each level, in a geometric series (ibid., eq. 2 and 3)."""
    if num_levels == 1:
        return [coarsest]
    growth = (finest / coarsest) ** (1 / (num_levels - 1))
    # Rounded before it is cut off: the last level would else lose a cell to the floating point.
    return [int(round(coarsest * growth**level, 6)) for level in range(num_levels)]


def corner_weights(
    points: Float[Tensor, "P 3"], resolutions: Float[Tensor, "L"]
) -> tuple[Int[Tensor, "P L 8 3"], Float[Tensor, "P L 8"]]:
    """The eight grid points round each point of the unit cube, and their trilinear weights, which add up to 1."""
    places = points[:, None, :] * resolutions[:, None]
    # On the far side of the cube the last cell takes the point.
    low = torch.minimum(places.floor(), resolutions[:, None] - 1).clamp(min=0)
    share = (places - low)[:, :, None, :]
    corners = torch.tensor(_CORNERS, device=points.device)
    weights = torch.where(corners.bool(), share, 1 - share).prod(-1)
    return low.long()[:, :, None, :] + corners, weights


class _WeightedRows(torch.autograd.Function):
    """Sums of weighted rows of a table. As `embedding_bag`, whose own backward pass sorts, and takes 10 times longer."""

    @staticmethod
    def forward(ctx, table: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(indices, weights)
        ctx.num_rows = len(table)
        return nn.functional.embedding_bag(indices, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        indices, weights = ctx.saved_tensors
        parts = (weights[..., None] * gradient[:, None, :]).flatten(0, 1)
        of_table = gradient.new_zeros(ctx.num_rows, gradient.shape[1])
        return of_table.index_add_(0, indices.flatten(), parts), None, None


class GridEncoding(nn.Module):
    """The features of all levels, one after another; levels that are not active yet are zero.

    Gradients flow to the table, not to the points: normals are finite differences (`radiance_field.py`).

    Args:
        log2_table_size: a level with more grid points than two to this power shares entries by a hash.
        seed: of the first values, which are next to nothing.
    """

    def __init__(
        self, num_levels: int, num_features: int, coarsest: int, finest: int, log2_table_size: int, seed: int = 0
    ) -> None:
        super().__init__()
        self.resolutions = level_resolutions(num_levels, coarsest, finest)
        largest = 2**log2_table_size
        sizes = [min((resolution + 1) ** 3, largest) for resolution in self.resolutions]
        self.num_features = num_features
        self.active_levels = num_levels
        self._is_hashed = [(resolution + 1) ** 3 > largest for resolution in self.resolutions]
        self._sizes, self._starts = sizes, [sum(sizes[:level]) for level in range(num_levels)]
        initial = torch.rand(sum(sizes), num_features, generator=generator_for(seed, "grid", 0))
        self.table = nn.Parameter((2 * initial - 1) * _INITIAL_RANGE)

    @property
    def num_outputs(self) -> int:
        return len(self.resolutions) * self.num_features

    def forward(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P LF"]:
        """Args: points: in the unit cube."""
        active = self.active_levels
        resolutions = points.new_tensor(self.resolutions[:active])
        corners, weights = corner_weights(points, resolutions)
        rows = torch.stack([self._rows(corners[:, level], level) for level in range(active)], dim=1)
        features = _WeightedRows.apply(self.table, rows.flatten(0, 1), weights.flatten(0, 1)).view(len(points), -1)
        missing = (len(self.resolutions) - active) * self.num_features
        return nn.functional.pad(features, (0, missing)) if missing else features

    def _rows(self, corners: Int[Tensor, "P 8 3"], level: int) -> Int[Tensor, "P 8"]:
        """Of the table, for grid points of one level."""
        x, y, z = corners.unbind(-1)
        if self._is_hashed[level]:
            mixed = (x * _PRIMES[0]) ^ (y * _PRIMES[1]) ^ (z * _PRIMES[2])
            return mixed % self._sizes[level] + self._starts[level]
        side = self.resolutions[level] + 1
        return (x * side + y) * side + z + self._starts[level]
