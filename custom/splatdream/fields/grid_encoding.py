"""Features of a point from grids of several resolutions: small ones whole, large ones hashed.

Instant NGP's encoding (arXiv:2201.05989, sec. 3). P points, L levels, F features a level.
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


def corners_of(
    points: Float[Tensor, "P 3"], resolution: int, largest: int
) -> tuple[Int[Tensor, "P 8"], Float[Tensor, "P 8"]]:
    """Rows of a level's part of the table round each point of the unit cube, and their trilinear weights.

    Args:
        largest: a level with more grid points than this shares as many rows by a hash.
    """
    places = points.T * resolution
    # On the far side of the cube the last cell takes the point.
    low = places.floor().clamp_(0, resolution - 1)
    share = places - low
    side, low = resolution + 1, low.long()
    if is_hashed := side**3 > largest:
        first, mixed = low * low.new_tensor(_PRIMES)[:, None], low.new_tensor(_PRIMES)
    else:
        mixed = low.new_tensor([side * side, side, 1])
        first = low * mixed[:, None]
    # Corner by corner: tensors of few long rows take a tenth of the time of those of many short ones.
    indices = torch.empty(len(points), 8, dtype=torch.int32, device=points.device)
    weights = points.new_empty(len(points), 8)
    for corner, ahead in enumerate(_CORNERS):
        x, y, z = (first[axis] + mixed[axis] if ahead[axis] else first[axis] for axis in range(3))
        indices[:, corner] = ((x ^ y ^ z) % largest if is_hashed else x + y + z).int()
        x, y, z = (share[axis] if ahead[axis] else 1 - share[axis] for axis in range(3))
        weights[:, corner] = x * y * z
    return indices, weights


class _WeightedRows(torch.autograd.Function):
    """Sums of eight weighted rows: `embedding_bag`, whose own backward pass sorts and so takes ten times longer."""

    @staticmethod
    def forward(ctx, table: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(indices, weights)
        ctx.num_rows = len(table)
        return nn.functional.embedding_bag(indices, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        indices, weights = ctx.saved_tensors
        if gradient.is_cuda:
            parts = (weights[..., None] * gradient[:, None, :]).flatten(0, 1)
            of_table = gradient.new_zeros(ctx.num_rows, gradient.shape[1])
            return of_table.index_add_(0, indices.flatten(), parts), None, None
        # On a CPU counting is several times faster than adding rows, and always adds in the same order.
        columns = [
            torch.bincount(indices.flatten(), (weights * column[:, None]).flatten(), ctx.num_rows)
            for column in gradient.unbind(1)
        ]
        return torch.stack(columns, dim=1).to(gradient), None, None


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
        self._largest = 2**log2_table_size
        sizes = [min((resolution + 1) ** 3, self._largest) for resolution in self.resolutions]
        self.num_features = num_features
        self.active_levels = num_levels
        self._bounds = [sum(sizes[:level]) for level in range(num_levels + 1)]
        initial = torch.rand(sum(sizes), num_features, generator=generator_for(seed, "grid", 0))
        self.table = nn.Parameter((2 * initial - 1) * _INITIAL_RANGE)

    @property
    def num_outputs(self) -> int:
        return len(self.resolutions) * self.num_features

    def forward(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P LF"]:
        """Args: points: in the unit cube."""
        levels = []
        for level, resolution in enumerate(self.resolutions[: self.active_levels]):
            rows = self.table[self._bounds[level] : self._bounds[level + 1]]
            levels.append(_WeightedRows.apply(rows, *corners_of(points, resolution, self._largest)))
        missing = len(self.resolutions) - len(levels)
        levels.append(points.new_zeros(len(points), missing * self.num_features))
        return torch.cat(levels, dim=1)
