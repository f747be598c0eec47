"""Which Gaussians to clone, split or prune. Pure: numbers in, masks out; nothing here knows the step or the optimizer.

N Gaussians.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def is_under_reconstructed(mean_gradient_norms: Float[Tensor, "N"], gradient_threshold: float) -> Bool[Tensor, "N"]:
    """True where the image asks for more Gaussians (3DGS sec. 5.2, arXiv:2308.04079).

    Args:
        mean_gradient_norms: over the views that saw the Gaussian, per NDC unit (densification/statistics.py).
        gradient_threshold: same unit.
    """
    return mean_gradient_norms > gradient_threshold


def is_large(log_scales: Float[Tensor, "N 3"], max_scale: float) -> Bool[Tensor, "N"]:
    """True where the longest standard deviation exceeds `max_scale`, world units."""
    return log_scales.amax(dim=-1).exp() > max_scale


def is_large_on_screen(max_screen_fractions: Float[Tensor, "N"], max_fraction: float) -> Bool[Tensor, "N"]:
    """True where the radius in some view exceeded this fraction of the image's longer side."""
    return max_screen_fractions > max_fraction


def is_transparent(opacity_logits: Float[Tensor, "N"], min_opacity: float) -> Bool[Tensor, "N"]:
    """True where the opacity lies below `min_opacity`."""
    return opacity_logits.sigmoid() < min_opacity


def is_among_largest(values: Float[Tensor, "N"], count: int) -> Bool[Tensor, "N"]:
    """True for the `count` largest values; of equal values the first ones."""
    order = torch.sort(values, descending=True, stable=True).indices
    mask = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    mask[order[:count]] = True
    return mask
