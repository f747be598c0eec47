"""The registered guidance that knows what each view looks like: photographs instead of a prior.

B views.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ..host import BaseObject, register
from ..losses.photometric import absolute_difference, structural_difference
from ..options.option_range import OptionRange, check_fields
from ..photographs.folder import PhotographSet, read_photographs
from ..photographs.posed_images import over
from .base import AnyGuidance


@runtime_checkable
class ViewSource(Protocol):
    """A guidance that brings images with cameras, which the fit system renders instead of random views."""

    reads_surface: bool
    """True: a render is moved in front of the ground of its image by its opacity."""

    def photographs(self) -> PhotographSet: ...


def photometric_losses(
    rgb: Float[Tensor, "B H W 3"],
    images: Float[Tensor, "B H W 4"],
    grounds: Float[Tensor, "B 3"],
    background: Float[Tensor, "B 3"],
    opacity: Float[Tensor, "B H W 1"],
) -> dict[str, Tensor]:
    """loss_l1 and loss_dssim between renders and images.

    Args:
        rgb: renders over `background`.
        images: not premultiplied.
        grounds: see `in_front_of`.
    """
    seen, reference = in_front_of(grounds, rgb, opacity, background), over(images, background)
    return {
        "loss_l1": absolute_difference(seen, reference),
        "loss_dssim": structural_difference(seen, reference),
    }


def in_front_of(
    grounds: Float[Tensor, "B 3"],
    rgb: Float[Tensor, "B H W 3"],
    opacity: Float[Tensor, "B H W 1"],
    background: Float[Tensor, "B 3"],
) -> Float[Tensor, "B H W 3"]:
    """Renders over `background` moved in front of the grounds of their images; where these are NaN they stay."""
    change = torch.where(torch.isfinite(grounds), grounds - background, 0.0)
    return rgb + (1 - opacity) * change[:, None, None, :]


@register("splatdream-photographs-guidance")
class PhotographsGuidance(AnyGuidance, BaseObject):
    """`guidance(rgb, prompt_utils, images=..., grounds=..., **batch)` -> {"loss_l1": ..., "loss_dssim": ...}."""

    @dataclass
    class Config(BaseObject.Config):
        folder: str = ""
        """Images with transforms.json, a COLMAP model, or the views of a known orbit; see docs/photographs.md."""
        orbit: str = ""
        """Which model made the images of a folder without cameras; one of `ORBITS`."""
        size: Annotated[int, OptionRange(0, 16384)] = 0
        """Longer side in pixels that larger images are reduced to; 0 leaves them."""
        hold_out_every: Annotated[int, OptionRange(0, remedy="the default is 8")] = 8
        """Every so many views is kept to measure against, where the folder names none; 0 keeps none."""
        is_centered: bool = True
        """Moves what the cameras look at to the origin, and makes it as large as the other configurations expect."""

    cfg: Config
    reads_surface = True

    def configure(self) -> None:
        check_fields("system.guidance", self.cfg, self.Config)
        if not self.cfg.folder:
            raise ValueError("there are no photographs to fit; set system.guidance.folder")
        _ = self._photographs  # now: what cannot be read must not cost a run's beginning

    @cached_property
    def _photographs(self) -> PhotographSet:
        cfg = self.cfg
        return read_photographs(cfg.folder, cfg.orbit, cfg.size, cfg.hold_out_every, cfg.is_centered)

    def photographs(self) -> PhotographSet:
        return self._photographs

    def manifest(self) -> dict[str, object]:
        """How the folder's world became ours."""
        read = self._photographs
        return {
            "name": type(self).__name__,
            "rotation": read.rotation.tolist(),
            "center": read.center.tolist(),
            "scale": read.scale,
        }

    def __call__(
        self,
        rgb: Float[Tensor, "B H W 3"],
        prompt_utils: object,
        images: Float[Tensor, "B H W 4"],
        grounds: Float[Tensor, "B 3"],
        background_color: Float[Tensor, "B 3"],
        opacity: Float[Tensor, "B H W 1"],
        **batch: object,
    ) -> dict[str, Tensor]:
        return photometric_losses(rgb, images, grounds, background_color, opacity)
