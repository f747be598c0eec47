"""Density slabs to a closed surface, by scikit-image's marching cubes. The only file that imports scikit-image.

V vertices, F faces.
"""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .density_grid import Grid
from .mesh import Mesh

# Densities below the level by more than this factor are cut off before the logarithm.
_MIN_RATIO = 1e-4
# Vertices of two slabs on their common layer are the same when they agree to this many grid steps.
_WELD_STEPS = 1e-4


def isosurface(slabs: Iterable[tuple[int, Float[Tensor, "nx ny nz"]]], grid: Grid, threshold: float) -> Mesh:
    """The surface {density = threshold}, faces outward, closed if the density is below the level on the grid's border.

    Vertices are interpolated in the logarithm of the density, which is nearly quadratic where the density falls off
    like a Gaussian; linear interpolation of the density itself would pull them outward.

    Raises:
        ImportError: scikit-image is missing.
        ValueError: the threshold is not above 0, or the density never reaches it.
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise ImportError(f"marching cubes needs scikit-image: pip install scikit-image ({error})") from error
    if not threshold > 0:
        raise ValueError(f"the density threshold must be above 0, got {threshold}; leave it out to have it chosen")
    pieces, largest = [], 0.0
    for start, slab in slabs:
        largest = max(largest, slab.max().item())
        if slab.shape[0] < 2 or not slab.min() < threshold < slab.max():
            continue
        levels = (slab / threshold).clamp_(min=_MIN_RATIO).log_()
        vertices, faces, _, _ = marching_cubes(levels.cpu().numpy(), level=0.0, gradient_direction="ascent")
        vertices[:, 0] += start
        pieces.append((vertices, faces.astype(np.int64), start, start + slab.shape[0] - 1))
    if not pieces:
        raise ValueError(
            f"no surface at density {threshold:.4g}: the largest density on the grid is {largest:.4g}; "
            "choose a threshold below it, or leave it out to have it chosen"
        )
    vertices, faces = _weld(pieces)
    return Mesh(grid.to_world(torch.from_numpy(vertices)), torch.from_numpy(faces))


def _weld(
    pieces: list[tuple[np.ndarray, np.ndarray, int, int]],
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """One mesh of the pieces (vertices, faces, first layer, last layer), without doubled vertices where they meet."""
    from scipy.spatial import cKDTree

    offsets = np.cumsum([0, *(len(vertices) for vertices, *_ in pieces)])
    vertices = np.concatenate([piece[0] for piece in pieces])
    faces = np.concatenate([piece[1] + offset for piece, offset in zip(pieces, offsets, strict=False)])
    representative = np.arange(len(vertices))
    for i in range(1, len(pieces)):
        layer = pieces[i][2]
        if pieces[i - 1][3] != layer:
            continue
        before, after = (
            offsets[j] + np.flatnonzero(np.abs(pieces[j][0][:, 0] - layer) < _WELD_STEPS) for j in (i - 1, i)
        )
        if len(before) and len(after):
            distances, nearest = cKDTree(vertices[before]).query(vertices[after])
            is_same = distances < _WELD_STEPS
            representative[after[is_same]] = before[nearest[is_same]]
    kept, renumbered = np.unique(representative, return_inverse=True)
    return vertices[kept], renumbered[faces]
