"""The 3D smoothing filter of Mip-Splatting (arXiv:2311.16493 sec. 5.1): no detail finer than the cameras could see.

A camera with focal length f (pixels) samples what is z in front of it f / z times per world unit. Detail beyond the
finest of all cameras' rates was never seen; a camera that comes closer would show it as needles and holes. So every
Gaussian is convolved with a small isotropic one, as wide as the rate allows, and keeps its mass.

N Gaussians, C cameras.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from .cloud import GaussianCloud

FILTER_VARIANCE = 0.2
"""Of the filter, in units of the sampling interval squared (the paper's s)."""
IMAGE_MARGIN = 0.15
"""A camera sees this share of the image beyond its border, as in Mip-Splatting's code."""
NEAR_PLANE = 0.2
"""Nothing closer than this to a camera counts as seen, world units, as there."""


def sampling_rates(
    means: Float[Tensor, "N 3"],
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
) -> Float[Tensor, "N"]:
    """Pixels per world unit of the camera that sees each center best: focal length / z; 0 where none sees it."""
    in_camera = torch.einsum("cij,nj->cni", viewmats[:, :3, :3], means) + viewmats[:, None, :3, 3]
    z = in_camera[..., 2]
    is_seen = z > NEAR_PLANE
    on_screen = torch.einsum("cij,cnj->cni", Ks, in_camera)[..., :2] / z[..., None]
    size = torch.tensor([width, height], dtype=means.dtype, device=means.device)
    is_seen &= ((on_screen >= -IMAGE_MARGIN * size) & (on_screen <= (1 + IMAGE_MARGIN) * size)).all(dim=-1)
    return torch.where(is_seen, Ks[:, 0, 0, None] / z, 0).amax(dim=0)


def filter_scales(means: Float[Tensor, "N 3"], cameras: Sequence[CameraBatch]) -> Float[Tensor, "N"]:
    """Standard deviation of each Gaussian's filter, world units, from all cameras of training.

    What no camera sees gets the widest filter of those that are seen, or 0 where nothing is seen at all.
    """
    rates = torch.stack([sampling_rates(means, c.viewmats, c.Ks, c.width, c.height) for c in cameras]).amax(dim=0)
    is_seen = rates > 0
    scales = torch.where(is_seen, FILTER_VARIANCE**0.5 / rates, 0)
    return torch.where(is_seen, scales, scales.max()) if len(scales) else scales


def filtered(cloud: GaussianCloud, scales: Float[Tensor, "N"]) -> GaussianCloud:
    """The cloud convolved with isotropic Gaussians of these standard deviations; differentiable in the cloud.

    Variances add, and opacities fall by the square root of the determinants' ratio, which keeps opacity times volume.
    """
    log_scales = 0.5 * torch.log(cloud.scales.square() + scales[:, None].square())
    log_ratio = (cloud.log_scales - log_scales).sum(dim=-1)
    # logit(r sigmoid(l)) = log r - log(1 - r + exp(-l)), without the cancellation of 1 - r sigmoid(l).
    opacity_logits = log_ratio - torch.log(torch.exp(-cloud.opacity_logits) - torch.expm1(log_ratio))
    return replace(cloud, log_scales=log_scales, opacity_logits=opacity_logits)
