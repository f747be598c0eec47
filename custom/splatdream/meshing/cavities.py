"""The hollow inside of a cloud: distilled Gaussians cover a surface and leave the inside empty.

Without filling, marching cubes makes an inner wall, which takes up half of the texture and which nobody sees.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .density_grid import Grid

# Gaps in the wall up to about twice this many coarse grid steps do not let the outside in.
_CLOSING_STEPS = 2


def hollow(is_solid: Bool[Tensor, "nx ny nz"]) -> Bool[Tensor, "nx ny nz"]:
    """Empty grid points that the solid encloses, leaks through narrow gaps in the wall notwithstanding.

    Narrow crevices of the outside do not count: what a morphological closing fills and an opening removes again.
    """
    from scipy.ndimage import binary_closing, binary_dilation, binary_opening, label

    margin = _CLOSING_STEPS + 1
    solid = np.pad(is_solid.cpu().numpy(), margin)
    closed = binary_closing(solid, iterations=_CLOSING_STEPS)
    regions, _ = label(~closed)
    void = (regions != regions[0, 0, 0]) & ~solid
    inner = binary_opening(void, iterations=_CLOSING_STEPS)
    inner = binary_dilation(inner, iterations=2 * _CLOSING_STEPS, mask=void)
    cut = slice(margin, -margin)
    return torch.from_numpy(inner[cut, cut, cut])


def fillable(is_solid: Bool[Tensor, "nx ny nz"]) -> Bool[Tensor, "nx ny nz"]:
    """The hollow inside and the inner half of the wall round it: where the density may be raised unseen."""
    from scipy.ndimage import binary_dilation

    inside = hollow(is_solid).numpy()
    outside = ~is_solid.cpu().numpy() & ~inside
    return torch.from_numpy(inside | (binary_dilation(inside) & ~binary_dilation(outside, iterations=2)))


def filled_slabs(
    slabs: Iterator[tuple[int, Float[Tensor, "nx ny nz"]]],
    grid: Grid,
    mask: Bool[Tensor, "mx my mz"],
    mask_grid: Grid,
    density: float,
) -> Iterator[tuple[int, Float[Tensor, "nx ny nz"]]]:
    """The slabs with at least `density` where the nearest point of the coarser mask is true."""
    nearest = [
        (((origin + grid.step * torch.arange(count)) - mask_origin) / mask_grid.step).round().long().clamp(0, size - 1)
        for origin, count, mask_origin, size in zip(
            grid.origin, grid.shape, mask_grid.origin, mask_grid.shape, strict=True
        )
    ]
    for start, slab in slabs:
        x, y, z = nearest[0][start : start + len(slab)], nearest[1], nearest[2]
        inside = mask[x][:, y][:, :, z].to(slab.device)
        yield start, torch.where(inside, slab.clamp(min=density), slab)
