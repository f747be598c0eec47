"""A contact sheet of the toybox: one row an object, one column a view."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..cameras.batch import orbit_cameras
from .objects import build_scene
from .ray_tracer import composite, trace
from .vocabulary import OBJECTS, ToyboxCaption

GALLERY_CAPTIONS = tuple(
    str(ToyboxCaption(name, color))
    for name, color in zip(
        OBJECTS,
        ("blue", "brown", "red", "orange", "green", "brown", "yellow", "blue", "green", "orange", "purple", "blue",
         "white", "red", "red", "green", "purple", "red", "red", "blue", "green", "blue"),
        strict=True,
    )
)  # fmt: skip
"""One caption for each object."""


def gallery_image(
    azimuth_deg: Sequence[float] = (0, 45, 90, 180, 270), size: int = 128
) -> Float[Tensor, "height width 3"]:
    """Views of every object on white, in [0, 1]; two objects stand side by side.

    Each strip of views has its caption underneath, where there is room for letters (size 64 or more).
    """
    cameras = orbit_cameras([15.0] * len(azimuth_deg), azimuth_deg, width=size, height=size)
    background = torch.ones(len(cameras), 3)
    strips = []
    for caption in GALLERY_CAPTIONS:
        views = composite(trace(build_scene(caption), cameras, supersampling=3), background)
        strips.append(_with_caption(torch.cat(list(views), dim=1), caption, size // 8))
    return torch.cat([torch.cat(both, dim=1) for both in zip(strips[::2], strips[1::2], strict=True)])


def _with_caption(strip: Float[Tensor, "size width 3"], caption: str, height: int) -> Float[Tensor, "taller width 3"]:
    """The strip above a line of text `height` pixels high."""
    if height < 8:
        return strip
    label = Image.new("RGB", (strip.shape[1], height), "white")
    font = ImageFont.load_default(size=0.8 * height)
    ImageDraw.Draw(label).text((0.5 * strip.shape[1], 0.4 * height), caption, fill="dimgray", font=font, anchor="mm")
    return torch.cat([strip, torch.from_numpy(np.asarray(label).copy()).float() / 255])
