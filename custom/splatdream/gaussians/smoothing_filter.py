"""The 3D smoothing filter of Mip-Splatting (arXiv:2311.16493 sec. 5.1): no detail finer than the cameras could see.

A camera with focal length f (pixels) samples what is z in front of it f / z times per world unit. Detail beyond that
rate was never seen; a camera that comes closer would show it as needles and holes. So every Gaussian is convolved with
a small isotropic one, as wide as the rate allows, and keeps its mass. The paper takes the rate of the camera that sees
a Gaussian best; cameras that orbit an object at one distance see all of it at nearly the same, that of its middle.

N Gaussians.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from .cloud import GaussianCloud


def filter_scale(view_pixel: float, variance: float = 0.2) -> float:
    """Standard deviation of the filter, world units.

    Args:
        view_pixel: the sampling interval z / f, world units a pixel.
        variance: in units of the interval squared (the paper's s).

    Raises:
        ValueError: the variance is negative.
    """
    if variance < 0:
        raise ValueError(f"system.geometry.smoothing {variance:g} must not be negative; 0 is no filter")
    return view_pixel * variance**0.5


def filtered(cloud: GaussianCloud, scales: Float[Tensor, "N"]) -> GaussianCloud:
    """The cloud convolved with isotropic Gaussians of these standard deviations; differentiable in the cloud.

    Variances add, and opacities fall by the square root of the determinants' ratio, which keeps opacity times volume.
    """
    log_scales = 0.5 * torch.log(cloud.scales.square() + scales[:, None].square())
    log_ratio = (cloud.log_scales - log_scales).sum(dim=-1)
    # logit(r sigmoid(l)) = log r - log(1 - r + exp(-l)), without the cancellation of 1 - r sigmoid(l).
    opacity_logits = log_ratio - torch.log(torch.exp(-cloud.opacity_logits) - torch.expm1(log_ratio))
    return replace(cloud, log_scales=log_scales, opacity_logits=opacity_logits)
