"""How much each Gaussian adds to what the cameras see.

N Gaussians, B views.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..gaussians.cloud import GaussianCloud
from .backends import choose_backend


def contributions(cloud: GaussianCloud, cameras: Sequence[CameraBatch], backend: str = "auto") -> Float[Tensor, "N"]:
    """Sum over pixels and views of the blending weight of each Gaussian.

    The weight is the derivative of a pixel with respect to the color, so one backward pass gives all sums.
    """
    rasterization = choose_backend(backend, cloud.means.device)
    cloud = cloud.detach()
    colors = torch.ones_like(cloud.means).requires_grad_(True)
    total = torch.zeros_like(cloud.opacity_logits)
    for batch in cameras:
        rgb, _, _ = rasterization(
            cloud.means,
            cloud.quats,
            cloud.scales,
            cloud.opacities,
            colors,
            batch.viewmats,
            batch.Ks,
            batch.width,
            batch.height,
        )
        (gradient,) = torch.autograd.grad(rgb[..., 0].sum(), colors)
        total += gradient[:, 0]
    return total
