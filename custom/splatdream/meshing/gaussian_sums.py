"""Sums of many Gaussians on a regular grid, block by block, each Gaussian only where it counts.

N Gaussians, D dimensions (2 or 3), M monomials of degree 2 or less, P pairs of a Gaussian and a block, Q points of a
block. A Gaussian and a block make a pair when the box round the Gaussian's support touches the block; no array has
N x (grid points) elements.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 8
"""Grid points along each side of a block."""
CUTOFF = 1e-3
"""A Gaussian is left out where its value is below this; a pixel's alpha counts from 1/255 on."""
# Rows of P x Q values that are alive at a time: 8,192 x 512 x 4 bytes = 16 MiB, which stays near the processor.
_PAIRS_AT_ONCE = 8192
# Pairs that are listed and sorted at a time: about 100 bytes each.
_LISTED_PAIRS = 1 << 21


@dataclass(frozen=True)
class GaussianBumps:
    """N functions p_i exp(-(x - m_i)^T C_i^-1 (x - m_i) / 2)."""

    means: Float[Tensor, "N D"]
    """In grid steps: grid point k lies at coordinate k."""
    covariances: Float[Tensor, "N D D"]
    """In grid steps squared; positive definite."""
    peaks: Float[Tensor, "N"]
    """In (0, 1]."""

    def supports(self) -> tuple[Int[Tensor, "N D"], Int[Tensor, "N D"]]:
        """First and last grid index along each axis where the value can reach CUTOFF."""
        sigmas = torch.sqrt(2 * torch.log((self.peaks / CUTOFF).clamp(min=1.0)))
        reach = sigmas[:, None] * self.covariances.diagonal(dim1=1, dim2=2).sqrt()
        return (self.means - reach).ceil().long(), (self.means + reach).floor().long()

    def rows(self, index: Tensor) -> "GaussianBumps":
        return GaussianBumps(self.means[index], self.covariances[index], self.peaks[index])


def sum_on_grid(
    bumps: GaussianBumps,
    first: tuple[int, ...],
    shape: tuple[int, ...],
    transform: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, "..."]:
    """The sum over the Gaussians of transform(value), at the grid points first, ..., first + shape - 1 of each axis.

    Args:
        transform: in place, elementwise, zero at zero; None leaves the values as they are.
    """
    device, dimensions = bumps.means.device, len(shape)
    origin = torch.tensor(first, device=device)
    num_blocks = torch.tensor([-(-size // BLOCK) for size in shape], device=device)
    low, high = bumps.supports()
    low_block = ((low - origin).div(BLOCK, rounding_mode="floor")).clamp(min=0)
    high_block = torch.minimum((high - origin).div(BLOCK, rounding_mode="floor"), num_blocks - 1)
    extents = (high_block - low_block + 1).clamp(min=0)
    total = int(num_blocks.prod())
    sums = torch.zeros(total, BLOCK**dimensions, device=device)
    monomials = _monomials(dimensions, device)
    for part in _parts(extents.prod(dim=1)):
        gaussians, blocks = _pairs(low_block[part], extents[part], num_blocks)
        gaussians = gaussians + part.start
        for start in range(0, len(gaussians), _PAIRS_AT_ONCE):
            chosen, block = gaussians[start : start + _PAIRS_AT_ONCE], blocks[start : start + _PAIRS_AT_ONCE]
            centers = origin + BLOCK * _unravel(block, num_blocks) + 0.5 * (BLOCK - 1)
            values = (_exponents(bumps.rows(chosen), centers) @ monomials).exp_()
            sums.index_add_(0, block, values if transform is None else transform(values))
    return _assemble(sums, num_blocks.tolist(), shape)


def _parts(counts: Int[Tensor, "N"]) -> list[slice]:
    """Runs of Gaussians with no more pairs together than may be listed at a time, or one Gaussian."""
    ends = counts.cumsum(0)
    parts, start = [], 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(torch.searchsorted(ends, before + _LISTED_PAIRS, right=True)))
        parts.append(slice(start, end))
        start = end
    return parts


def _pairs(
    low_block: Int[Tensor, "N D"], extents: Int[Tensor, "N D"], num_blocks: Int[Tensor, "D"]
) -> tuple[Int[Tensor, "P"], Int[Tensor, "P"]]:
    """Every (Gaussian, block) pair, sorted by block so that a sum's memory is visited once."""
    gaussians, within = cells_of_boxes(extents)
    place = low_block[gaussians] + within
    blocks = place[:, 0]
    for axis in range(1, place.shape[1]):
        blocks = blocks * num_blocks[axis] + place[:, axis]
    order = torch.argsort(blocks)
    return gaussians[order], blocks[order]


def cells_of_boxes(extents: Int[Tensor, "N D"]) -> tuple[Int[Tensor, "P"], Int[Tensor, "P D"]]:
    """Every cell of boxes of so many cells along each axis: whose it is, and where in its box."""
    counts = extents.prod(dim=1)
    owners = torch.repeat_interleave(counts)
    within = torch.arange(len(owners), device=counts.device) - (counts.cumsum(0) - counts)[owners]
    return owners, _unravel(within, extents[owners])


def _unravel(index: Int[Tensor, "P"], shape: Int[Tensor, "..."]) -> Int[Tensor, "P D"]:
    """Row-major indices along each axis; `shape` is one for all, or one a row."""
    shape = shape.expand(len(index), -1)
    places = []
    for axis in range(shape.shape[1] - 1, -1, -1):
        places.append(index % shape[:, axis])
        index = index // shape[:, axis]
    return torch.stack(places[::-1], dim=1)


def _monomials(dimensions: int, device: torch.device) -> Float[Tensor, "M Q"]:
    """y_a y_b for a <= b, y_a, and 1, at the points y of a block about its center."""
    steps = torch.arange(BLOCK, device=device) - 0.5 * (BLOCK - 1)
    y = torch.cartesian_prod(*[steps] * dimensions).T
    squares = [y[a] * y[b] for a, b in product(range(dimensions), repeat=2) if a <= b]
    return torch.stack([*squares, *y, torch.ones_like(y[0])])


def _exponents(bumps: GaussianBumps, centers: Float[Tensor, "P D"]) -> Float[Tensor, "P M"]:
    """Coefficients of the logarithm of each value as a polynomial about the block's center."""
    dimensions = centers.shape[1]
    precision = torch.linalg.inv(bumps.covariances)
    offset = bumps.means - centers
    slope = (precision @ offset[:, :, None])[..., 0]
    constant = bumps.peaks.log() - 0.5 * (slope * offset).sum(1)
    squares = [
        -precision[:, a, b] * (0.5 if a == b else 1.0) for a, b in product(range(dimensions), repeat=2) if a <= b
    ]
    return torch.stack([*squares, *slope.unbind(1), constant], dim=1)


def _assemble(sums: Tensor, num_blocks: list[int], shape: tuple[int, ...]) -> Tensor:
    """Blocks side by side, cut to `shape`."""
    dimensions = len(shape)
    grid = sums.reshape(*num_blocks, *[BLOCK] * dimensions)
    order = [axis + half * dimensions for axis in range(dimensions) for half in (0, 1)]
    grid = grid.permute(order).reshape([count * BLOCK for count in num_blocks])
    return grid[tuple(slice(size) for size in shape)]
