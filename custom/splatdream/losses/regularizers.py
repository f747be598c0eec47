"""What is asked of an asset and of its pictures besides pleasing the prior.

Those of clouds have the names and formulas of threestudio-3dgs, so that its weights carry over. Sums over Gaussians,
where it has them, give each Gaussian the same pull however many there are.

N Gaussians, B views, H rows, W columns of pixels or texels.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud


def position_loss(means: Float[Tensor, "N 3"]) -> Float[Tensor, ""]:
    """Mean distance from the origin, world units: holds the cloud together."""
    return means.norm(dim=-1).mean()


def opacity_loss(opacities: Float[Tensor, "N"], scales: Float[Tensor, "N 3"]) -> Float[Tensor, ""]:
    """Sum of opacities, each times the norm of its scales (taken as a constant): large ghosts fade first."""
    return (opacities * scales.detach().norm(dim=-1)).sum()


def scale_loss(scales: Float[Tensor, "N 3"]) -> Float[Tensor, ""]:
    """Sum of all scales, world units: keeps Gaussians small."""
    return scales.sum()


def mean_opacity(opacities: Float[Tensor, "N"]) -> Float[Tensor, ""]:
    """Mean opacity: every Gaussian fades that no picture needs (3DGS-MCMC, arXiv:2404.09591)."""
    return opacities.mean()


def mean_scale(scales: Float[Tensor, "N 3"]) -> Float[Tensor, ""]:
    """Mean of all scales, world units: the same of large ones (ibid.)."""
    return scales.mean()


def total_variation(images: Float[Tensor, "B H W C"]) -> Float[Tensor, ""]:
    """Twice the mean square difference of vertical and of horizontal neighbors."""
    vertical = images[:, 1:] - images[:, :-1]
    horizontal = images[:, :, 1:] - images[:, :, :-1]
    return 2 * (vertical.square().mean() + horizontal.square().mean())


def total_variation_in_charts(texture: Float[Tensor, "H W C"], is_covered: Bool[Tensor, "H W"]) -> Float[Tensor, ""]:
    """Mean squared difference between neighboring texels that both belong to a chart."""
    down = (texture[1:] - texture[:-1]).square().mean(-1)
    right = (texture[:, 1:] - texture[:, :-1]).square().mean(-1)
    both_down, both_right = is_covered[1:] & is_covered[:-1], is_covered[:, 1:] & is_covered[:, :-1]
    total = (down * both_down).sum() + (right * both_right).sum()
    return total / (both_down.sum() + both_right.sum()).clamp(min=1)


REGULARIZERS: dict[str, Callable[[GaussianCloud, Mapping[str, Tensor]], Tensor]] = {
    "position": lambda cloud, rendered: position_loss(cloud.means),
    "opacity": lambda cloud, rendered: opacity_loss(cloud.opacities, cloud.scales),
    "scales": lambda cloud, rendered: scale_loss(cloud.scales),
    "mean_opacity": lambda cloud, rendered: mean_opacity(cloud.opacities),
    "mean_scale": lambda cloud, rendered: mean_scale(cloud.scales),
    "tv_loss": lambda cloud, rendered: total_variation(rendered["comp_rgb"]),
    "depth_tv_loss": lambda cloud, rendered: total_variation(rendered["comp_depth"]),
}
"""Of clouds, by name; the weight of `name` is `system.loss.lambda_<name>` in a YAML."""


def regularization(
    regularizers: Mapping[str, Callable[[Mapping[str, Tensor]], Tensor]],
    rendered: Mapping[str, Tensor],
    weights: Mapping[str, float],
) -> Float[Tensor, ""]:
    """The weighted sum of an asset's regularizers; a constant 0 when all weights are 0.

    Args:
        rendered: the output of a renderer, with comp_rgb [B, H, W, 3] and what the regularizers read of it.
        weights: by name of the regularizer.
    """
    total = torch.zeros((), device=rendered["comp_rgb"].device)
    for name, weight in weights.items():
        if weight != 0:
            total = total + weight * regularizers[name](rendered)
    return total
