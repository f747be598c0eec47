"""A picture of the object and the camera that is taken to have made it.

H = W, pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from ..options.option_range import OptionRange, check_fields
from ..storage.pictures import read_picture
from .batch import CameraBatch, orbit_cameras


@dataclass
class PictureConfig:
    """`system.picture`."""

    path: str = ""
    """The file: a PNG whose alpha channel says what the object is; others need rembg."""
    elevation_deg: Annotated[float, OptionRange(-90, 90)] = 0.0
    """Of the camera that made it, above the horizon."""
    azimuth_deg: Annotated[float, OptionRange(-360, 360)] = 0.0
    """Of the same; at 0 the picture shows the front."""
    distance: Annotated[float, OptionRange(0.01, 1000)] = 2.5
    """Of the same, world units."""
    fovy_deg: Annotated[float, OptionRange(1, 170)] = 49.1
    """Its vertical field of view."""
    fill: Annotated[float, OptionRange(0, 1)] = 0.0
    """Share of the side that the object's longer side takes after it was moved to the middle; 0 leaves it as it is."""


@dataclass(frozen=True)
class Picture:
    """What a file shows, and from where."""

    rgba: Float[Tensor, "H W 4"]
    """In [0, 1], color times alpha."""
    camera: CameraBatch
    """One."""

    def on_white(self, side: int) -> Float[Tensor, "1 3 {side} {side}"]:
        """In [-1, 1], on the white ground of Zero-1-to-3's training images."""
        rgba = self.resized(side)
        return 2 * (rgba[:, :3] + 1 - rgba[:, 3:]) - 1

    def resized(self, side: int) -> Float[Tensor, "1 4 {side} {side}"]:
        """Averaging when it shrinks."""
        rgba = self.rgba.movedim(-1, 0)[None]
        if rgba.shape[-1] == side:
            return rgba
        shrinks = rgba.shape[-1] > side
        return torch.nn.functional.interpolate(
            rgba, size=(side, side), mode="bilinear", align_corners=False, antialias=shrinks
        )


def load_picture(config: Mapping[str, object] | PictureConfig, name: str = "system.picture") -> Picture:
    """
    Args:
        name: of the configuration, for messages.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: a setting is none, or the file is no picture of an object.
    """
    cfg = config if isinstance(config, PictureConfig) else _configured(config, name)
    check_fields(name, cfg, PictureConfig)
    if not cfg.path:
        raise ValueError(f"{name}.path is empty; set it to the picture, e.g. {name}.path=photo.png")
    rgba = read_picture(cfg.path, cfg.fill)
    side = rgba.shape[0]
    camera = orbit_cameras([cfg.elevation_deg], [cfg.azimuth_deg], cfg.distance, cfg.fovy_deg, side, side)
    return Picture(rgba, camera)


def _configured(config: Mapping[str, object], name: str) -> PictureConfig:
    known = [field.name for field in fields(PictureConfig)]
    if unknown := [key for key in config if key not in known]:
        raise ValueError(f"{name}.{unknown[0]} is no setting of a picture; they are {', '.join(known)}")
    return PictureConfig(**config)
