"""How much each Gaussian adds to what the cameras see.

N Gaussians, C cameras.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..gaussians.cloud import GaussianCloud
from .backends import choose_backend
from .signature import Arguments, screen_variance


@torch.no_grad()
def contributions(
    cloud: GaussianCloud,
    cameras: Sequence[CameraBatch],
    backend: str = "auto",
    rasterize_mode: str = "antialiased",
) -> Float[Tensor, "N"]:
    """Sum over pixels and views of the blending weight of each Gaussian."""
    rasterization = choose_backend(backend, cloud.means.device)
    gaussians = (cloud.means, cloud.quats, cloud.scales, cloud.opacities, torch.ones_like(cloud.means))
    filters = {"rasterize_mode": rasterize_mode, "eps2d": screen_variance(rasterize_mode)}
    total = torch.zeros_like(cloud.opacity_logits)
    for batch in cameras:
        views = (batch.viewmats, batch.Ks, batch.width, batch.height)
        _, _, info = rasterization(*gaussians, *views, **filters, contributions=True)
        for of_camera in info["contributions"]:
            total += of_camera
    return total


def contributions_by_gradient(rasterization: Callable, given: Arguments) -> Float[Tensor, "C N"]:
    """The same of each camera, from a rasterizer that does not sum weights.

    The weight is the derivative of a pixel with respect to the color: a second render and its backward pass give all.
    """
    colors = torch.ones(len(given.viewmats), *given.means.shape, device=given.means.device, requires_grad=True)
    fixed = {name: tensor.detach() for name, tensor in given.tensors().items()}
    plain = {"sh_degree": None, "backgrounds": None, "render_mode": "RGB", "absgrad": False, "contributions": False}
    with torch.enable_grad():
        images, _, _ = rasterization(**vars(replace(given, **{**fixed, **plain, "colors": colors})))
        (gradient,) = torch.autograd.grad(images[..., 0].sum(), colors)
    return gradient[..., 0]
