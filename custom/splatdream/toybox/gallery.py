"""A contact sheet of the toybox: one row an object, one column a view."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import orbit_cameras
from .objects import build_scene
from .ray_tracer import composite, trace
from .vocabulary import OBJECTS

GALLERY_CAPTIONS = tuple(
    f"a {color} {name}"
    for name, color in zip(
        OBJECTS,
        ("blue", "brown", "red", "orange", "green", "brown", "yellow", "blue", "green", "orange", "purple", "blue",
         "white", "red", "red", "green", "purple", "red", "red", "blue", "green", "blue"),
        strict=True,
    )
)  # fmt: skip
"""One caption for each object."""


def gallery_image(
    captions: Sequence[str] = GALLERY_CAPTIONS,
    azimuth_deg: Sequence[float] = (0, 45, 90, 180, 270),
    elevation_deg: float = 15.0,
    size: int = 128,
    objects_per_row: int = 2,
) -> Float[Tensor, "height width 3"]:
    """Views of the captioned objects on white, in [0, 1]; `objects_per_row` objects stand side by side."""
    cameras = orbit_cameras([elevation_deg] * len(azimuth_deg), azimuth_deg, width=size, height=size)
    background = torch.ones(len(cameras), 3)
    strips = []
    for caption in captions:
        views = composite(trace(build_scene(caption), cameras, supersampling=3), background)
        strips.append(torch.cat(list(views), dim=1))
    blank = torch.ones_like(strips[0])
    strips += [blank] * (-len(strips) % objects_per_row)
    rows = [torch.cat(strips[i : i + objects_per_row], dim=1) for i in range(0, len(strips), objects_per_row)]
    return torch.cat(rows, dim=0)
