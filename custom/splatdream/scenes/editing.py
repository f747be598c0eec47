"""What is done to some Gaussians of an object before it is placed."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import select
from ..gaussians.recoloring import recolored
from ..gaussians.selection import in_box, in_opacity, near_color

ACTIONS = ("delete", "keep", "recolor")


@dataclass(frozen=True)
class Selection:
    """Gaussians that meet all of these; None asks nothing."""

    box: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Lowest and highest corner, in the object's own coordinates, world units."""
    color: tuple[float, ...] | None = None
    """Red, green and blue in [0, 1]."""
    tolerance: float = 0.3
    """Largest distance from the color; black and white are 1.73 apart."""
    opacity: tuple[float, float] | None = None
    """Lowest and highest."""

    def mask(self, cloud: GaussianCloud) -> Bool[Tensor, "N"]:
        chosen = torch.ones(len(cloud), dtype=torch.bool, device=cloud.means.device)
        if self.box is not None:
            chosen &= in_box(cloud, *self.box)
        if self.color is not None:
            chosen &= near_color(cloud, self.color, self.tolerance)
        if self.opacity is not None:
            chosen &= in_opacity(cloud, *self.opacity)
        return chosen


@dataclass(frozen=True)
class Edit:
    action: str
    """One of `ACTIONS`."""
    selection: Selection = Selection()
    color: tuple[float, ...] = ()
    """Of recolor: red, green and blue in [0, 1]."""


def edited(cloud: GaussianCloud, edits: tuple[Edit, ...], name: str) -> GaussianCloud:
    """The object after its edits, in their order.

    Raises:
        ValueError: an edit finds no Gaussian, or leaves none.
    """
    for number, edit in enumerate(edits, start=1):
        rows = edit.selection.mask(cloud)
        if not rows.any():
            raise ValueError(f"edit {number} of '{name}' finds none of its {len(cloud)} Gaussians; {_extent(cloud)}")
        if edit.action == "recolor":
            cloud = recolored(cloud, rows, edit.color)
            continue
        kept = ~rows if edit.action == "delete" else rows
        if not kept.any():
            raise ValueError(f"edit {number} of '{name}' deletes all of its {len(cloud)} Gaussians; select fewer")
        cloud = select(cloud, kept)
    return cloud


def _extent(cloud: GaussianCloud) -> str:
    low, high = (", ".join(f"{side:.2f}" for side in corner) for corner in (cloud.means.amin(0), cloud.means.amax(0)))
    return f"their centers lie in the box [[{low}], [{high}]]; select there, by another color, or with more tolerance"
