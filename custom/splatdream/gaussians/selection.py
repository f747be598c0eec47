"""Which Gaussians of a cloud are meant: masks in space, by color, by opacity. Nothing is removed here.

N Gaussians.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from .cloud import GaussianCloud
from .spherical_harmonics import sh0_to_rgb


def in_box(cloud: GaussianCloud, low: Sequence[float], high: Sequence[float]) -> Bool[Tensor, "N"]:
    """True where the center lies in an axis-aligned box, faces included, world units."""
    means = cloud.means
    return ((means >= torch.tensor(low).to(means)) & (means <= torch.tensor(high).to(means))).all(dim=1)


def near_color(cloud: GaussianCloud, color: Sequence[float], tolerance: float) -> Bool[Tensor, "N"]:
    """True where the mean color over all directions is at most `tolerance` from `color`.

    Args:
        color: red, green and blue in [0, 1].
        tolerance: Euclidean distance; black and white are 1.73 apart.
    """
    colors = sh0_to_rgb(cloud.sh0[:, 0])
    return (colors - torch.tensor(color).to(colors)).norm(dim=1) <= tolerance


def in_opacity(cloud: GaussianCloud, low: float, high: float) -> Bool[Tensor, "N"]:
    """True where the opacity lies in [low, high]."""
    return (cloud.opacities >= low) & (cloud.opacities <= high)
