"""The density field of a cloud, sum_i opacity_i exp(-(x - mean_i)^T covariance_i^-1 (x - mean_i) / 2), on a grid.

DreamGaussian's field (arXiv:2309.16653, sec. 3.3). N Gaussians.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import select
from ..gaussians.rotations import quat_to_matrix
from .gaussian_sums import BLOCK, GaussianBumps, sum_on_grid

MIN_OPACITY = 0.01
"""Fainter Gaussians are dust: they do not make a surface, and do not stretch the grid."""
MIN_SIGMA_STEPS = 0.5
"""Standard deviations are at least this many grid steps, so that a flat Gaussian cannot slip between grid points."""
_BOX_SIGMAS = 3.0
# A floater further out than this many times the half extent of the middle 98 % of the Gaussians is left out of the box.
_FENCE = 3.0
_SLAB_BYTES = 64 << 20
_MAX_RESOLUTION = 2048


@dataclass(frozen=True)
class Grid:
    """Points origin + step * (i, j, k)."""

    origin: tuple[float, float, float]
    """World position of the point (0, 0, 0)."""
    step: float
    """World units between neighbors."""
    shape: tuple[int, int, int]
    """Points along x, y and z."""

    def to_world(self, points: Float[Tensor, "V 3"]) -> Float[Tensor, "V 3"]:
        """World positions of grid coordinates."""
        return torch.tensor(self.origin, dtype=points.dtype, device=points.device) + self.step * points


def check_cloud(cloud: GaussianCloud) -> None:
    """Does nothing when the cloud can be meshed.

    Raises:
        ValueError: it is empty, or holds numbers that are not finite.
    """
    if len(cloud) == 0:
        raise ValueError("the cloud has no Gaussians; there is no surface to extract")
    broken = [name for name, tensor in cloud.tensors().items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"the cloud holds NaN or infinite {', '.join(broken)}; take an earlier checkpoint")


def solid_part(cloud: GaussianCloud) -> GaussianCloud:
    """The Gaussians that can take part in a surface, without gradient.

    Raises:
        ValueError: as `check_cloud`, or all Gaussians are too faint.
    """
    check_cloud(cloud)
    cloud = cloud.detach()
    is_solid = cloud.opacities >= MIN_OPACITY
    if not is_solid.any():
        raise ValueError(
            f"all {len(cloud)} Gaussians have an opacity below {MIN_OPACITY}; the cloud is too faint to have a surface"
        )
    return select(cloud, is_solid)


def covariances(cloud: GaussianCloud, min_sigma: float = 0.0) -> Float[Tensor, "N 3 3"]:
    """World units squared; standard deviations below `min_sigma` are raised to it."""
    axes = quat_to_matrix(cloud.quats) * cloud.scales.clamp(min=min_sigma)[:, None, :]
    return axes @ axes.transpose(1, 2)


def enclosing_grid(cloud: GaussianCloud, resolution: int) -> Grid:
    """A grid of cubic cells round the cloud, `resolution` points along its longest side, with an empty margin.

    Gaussians that lie far outside of the others do not stretch it.

    Raises:
        ValueError: the resolution is not between 8 and 2048.
    """
    if not BLOCK <= resolution <= _MAX_RESOLUTION:
        raise ValueError(f"grid resolution {resolution} must be between {BLOCK} and {_MAX_RESOLUTION}")
    reach = _BOX_SIGMAS * covariances(cloud).diagonal(dim1=1, dim2=2).sqrt()
    # kthvalue, not quantile, which refuses more than 16 million numbers.
    ordered = cloud.means.sort(dim=0).values
    cut = len(cloud) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    middle, half = 0.5 * (low + high), (0.5 * (high - low)).max() + reach.median()
    is_near = ((cloud.means - middle).abs() <= _FENCE * half).all(dim=1)
    low = (cloud.means - reach)[is_near].amin(0)
    high = (cloud.means + reach)[is_near].amax(0)
    step = (high - low).max().item() / (resolution - 1 - 2)
    # One step of margin on each side: the surface must close inside the grid.
    shape = tuple(int(n) for n in ((high - low) / step).ceil().long() + 3)
    return Grid(origin=tuple((low - step).tolist()), step=step, shape=shape)


def bumps_on_grid(cloud: GaussianCloud, grid: Grid) -> GaussianBumps:
    """The Gaussians in units of the grid."""
    origin = torch.tensor(grid.origin, device=cloud.means.device)
    return GaussianBumps(
        means=(cloud.means - origin) / grid.step,
        covariances=covariances(cloud, MIN_SIGMA_STEPS * grid.step) / grid.step**2,
        peaks=cloud.opacities,
    )


def density_slabs(cloud: GaussianCloud, grid: Grid) -> Iterator[tuple[int, Float[Tensor, "nx ny nz"]]]:
    """(first index along x, densities) of slabs that cover the grid; neighbors share one layer of points.

    Memory is bounded by the slab, 64 MiB or one block of layers, whatever the resolution.
    """
    bumps = bumps_on_grid(cloud, grid)
    low, high = bumps.supports()
    layer_bytes = 4 * grid.shape[1] * grid.shape[2]
    thickness = max(1, _SLAB_BYTES // (layer_bytes * BLOCK)) * BLOCK
    last_layer = None
    for start in range(0, grid.shape[0], thickness):
        end = min(start + thickness, grid.shape[0])
        touches = (low[:, 0] < end) & (high[:, 0] >= start)
        slab = sum_on_grid(bumps.rows(touches), (start, 0, 0), (end - start, grid.shape[1], grid.shape[2]))
        # Carried over, not computed twice: both slabs must find the very same vertices in the layer that they share.
        yield (start, slab) if last_layer is None else (start - 1, torch.cat([last_layer, slab]))
        last_layer = slab[-1:]


def dense_grid(cloud: GaussianCloud, grid: Grid) -> Float[Tensor, "nx ny nz"]:
    """All densities of a coarse grid in one tensor."""
    return joined(density_slabs(cloud, grid))


def joined(slabs: Iterable[tuple[int, Float[Tensor, "_ ny nz"]]]) -> Float[Tensor, "nx ny nz"]:
    """Slabs, of which neighbors share one layer, in one tensor."""
    return torch.cat([slab if start == 0 else slab[1:] for start, slab in slabs])
