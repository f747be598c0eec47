"""One step of training as whoever watches the run sees it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..assets.base import Asset
from ..viewer.run_window import Asked, Shown
from .guidance_driver import GuidanceDriver

_LARGEST_PX = 128
"""Height of the pictures; larger ones are made smaller."""


def keep_gradient(rendered: Mapping[str, Tensor]) -> None:
    """Has the backward pass leave the gradient of the renders where `step_as_watched` finds it."""
    if rendered["comp_rgb"].requires_grad:
        rendered["comp_rgb"].retain_grad()


def step_as_watched(
    step: int,
    asked: Asked,
    geometry: Asset,
    driver: GuidanceDriver,
    rendered: Mapping[str, Tensor],
    batch: Mapping[str, Any],
) -> Shown:
    """After the backward pass.

    Args:
        step: optimizer steps so far.
    """
    pictures: dict[str, Tensor] = {}
    if asked.pictures:
        rgb = rendered["comp_rgb"]
        pictures = {"render": rgb.detach(), **driver.pictures(rendered, batch)}
        if rgb.grad is not None:
            pictures["gradient"] = _pull(rgb.grad)
    return Shown(
        step=step,
        cloud=geometry.shown_cloud(),
        c2w=batch["c2w"].detach().cpu(),
        fovy_rad=batch["fovy"].detach().cpu(),
        aspect=float(batch["width"]) / float(batch["height"]),
        pictures={name: _small(images, rendered["comp_rgb"]) for name, images in pictures.items()},
    )


def _pull(gradient: Tensor) -> Tensor:
    """The descent direction as a picture: gray is none, brighter where the step makes the render brighter."""
    largest = gradient.abs().max().clamp(min=torch.finfo(gradient.dtype).tiny)
    return 0.5 - 0.5 * gradient / largest


def _small(images: Tensor, like: Tensor) -> Tensor:
    """At the size of the renders, or smaller, on the CPU."""
    height, width = like.shape[1:3]
    scale = min(1.0, _LARGEST_PX / height)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    planes = images.detach().float().movedim(-1, 1)
    resized = torch.nn.functional.interpolate(planes, size=size, mode="area")
    return resized.movedim(1, -1).clamp(0, 1).cpu()
