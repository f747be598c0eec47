"""Another color for some Gaussians of a cloud, their light and shade kept.

N Gaussians.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .cloud import GaussianCloud
from .spherical_harmonics import rgb_to_sh0, sh0_to_rgb

_LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Of linear sRGB (ITU-R BT.709)."""
_DARKEST = 1e-3
"""Mean luminance below which there is no shade to keep."""


def recolored(cloud: GaussianCloud, rows: Bool[Tensor, "N"], color: Sequence[float]) -> GaussianCloud:
    """The chosen rows in another color: c(d) becomes color * Y(c(d)) / Y0, with Y the luminance and Y0 its mean over
    the rows, weighted by opacity.

    Linear in the color, so that it holds for every viewing direction d: what was brighter than the others from some
    side still is. Rows that are black get the color itself.

    Args:
        color: red, green and blue in [0, 1].
    """
    wanted = torch.tensor(color).to(cloud.sh0)
    weights = torch.tensor(_LUMINANCE).to(cloud.sh0)
    luminance = sh0_to_rgb(cloud.sh0) @ weights
    mean = _weighted_mean(luminance[rows, 0], cloud.opacities[rows])
    if mean < _DARKEST:
        sh0, shN = rgb_to_sh0(wanted).expand_as(cloud.sh0), torch.zeros_like(cloud.shN)
    else:
        sh0 = rgb_to_sh0(luminance[..., None] * wanted / mean)
        shN = (cloud.shN @ weights)[..., None] * wanted / mean
    is_chosen = rows[:, None, None]
    changed = {"sh0": torch.where(is_chosen, sh0, cloud.sh0), "shN": torch.where(is_chosen, shN, cloud.shN)}
    return GaussianCloud(**{**cloud.tensors(), **changed})


def _weighted_mean(values: Float[Tensor, "M"], weights: Float[Tensor, "M"]) -> float:
    return float((values * weights).sum() / weights.sum().clamp(min=1e-12))
