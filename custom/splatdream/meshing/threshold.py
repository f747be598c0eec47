"""Which density is the surface: the level whose silhouettes agree best with those of the Gaussians themselves.

Seen from infinity along an axis, a Gaussian's opacity in the image is its maximum along the ray, a 2D Gaussian with
the matching block of the covariance matrix. So the image of the cloud has a closed form, without a camera, and so has
the silhouette of {density > t}: it is {maximum along the ray > t}, one maximum for all levels t.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from .density_grid import bumps_on_grid, dense_grid, enclosing_grid
from .gaussian_sums import GaussianBumps, sum_on_grid

_RESOLUTION = 96
_NUM_CANDIDATES = 96
# Levels this close to the best agreement are as good; the middle of them is taken.
_PLATEAU = 2e-3
MAX_ALPHA = 0.999


def automatic_threshold(cloud: GaussianCloud) -> float:
    """The density level with the best mean silhouette IoU over the three axes.

    The silhouette of the cloud is where its opacity is at least half of the largest that it reaches (0.5 for a cloud
    that is opaque somewhere).
    """
    grid = enclosing_grid(cloud, _RESOLUTION)
    densities = dense_grid(cloud, grid)
    bumps = bumps_on_grid(cloud, grid)
    return best_level(densities, [orthographic_alphas(bumps, grid.shape, axis) for axis in range(3)])


def best_level(densities: Float[Tensor, "nx ny nz"], alphas: list[Float[Tensor, "_ _"]]) -> float:
    """The level of a density whose silhouettes along the three axes agree best with images of opacity along them."""
    silhouettes = [(image >= 0.5 * image.max()).reshape(-1) for image in alphas]
    projections = [densities.amax(dim=axis).reshape(-1) for axis in range(3)]
    candidates = torch.logspace(-3, 0, _NUM_CANDIDATES) * densities.max().item()
    agreement = torch.stack([silhouette_agreement(silhouettes, projections, level) for level in candidates.tolist()])
    best = candidates[agreement >= agreement.max() - _PLATEAU]
    return best.log().mean().exp().item()


def orthographic_alphas(bumps: GaussianBumps, shape: tuple[int, int, int], axis: int) -> Float[Tensor, "h w"]:
    """Opacity of the cloud seen from infinity along a grid axis: 1 - prod_i (1 - alpha_i)."""
    kept = [other for other in range(3) if other != axis]
    flat = GaussianBumps(bumps.means[:, kept], bumps.covariances[:, kept][:, :, kept], bumps.peaks)
    size = (shape[kept[0]], shape[kept[1]])
    return -torch.expm1(sum_on_grid(flat, (0, 0), size, _log_transmittance))


def _log_transmittance(alphas: Tensor) -> Tensor:
    return alphas.clamp_(max=MAX_ALPHA).neg_().log1p_()


def silhouette_agreement(
    silhouettes: list[Bool[Tensor, "_"]], projections: list[Float[Tensor, "_"]], level: float
) -> Float[Tensor, ""]:
    """Mean intersection over union of the silhouettes and {projection > level}."""
    ratios = []
    for silhouette, projection in zip(silhouettes, projections, strict=True):
        inside = projection > level
        ratios.append((inside & silhouette).sum() / (inside | silhouette).sum().clamp(min=1))
    return torch.stack(ratios).mean()
