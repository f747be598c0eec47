"""Images with cameras in place of an asset that can be rendered: what of them stands for which camera.

V given views; B cameras that are asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch, cat
from ..photographs.folder import PhotographSet
from ..photographs.posed_images import PosedImages, over

LARGEST_ANGLE_DEG = 25.0
"""Between the directions of a camera and the view that stands for it: a side of its own at 12 views once round."""
_GROUND_TOLERANCE = 0.06
"""Per channel, within which a pixel shows the ground, as `PosedImages.grounds` counts it."""


@dataclass(frozen=True)
class GivenViews:
    """All views of a folder, square, on white."""

    rgb: Float[Tensor, "V size size 3"]
    alpha: Float[Tensor, "V size size 1"]
    cameras: CameraBatch

    def nearest(self, asked: CameraBatch) -> Int[Tensor, "B"]:
        """For each camera the view from the most similar direction."""
        return self._cosines(asked).argmax(dim=1)

    def angles_deg(self, asked: CameraBatch) -> Float[Tensor, "B"]:
        """Between each camera and that view, seen from the origin."""
        return torch.rad2deg(self._cosines(asked).amax(dim=1).clamp(-1, 1).acos())

    def stand_for(self, asked: CameraBatch) -> bool:
        """Whether each camera has a view of its own that is near."""
        is_near = bool((self.angles_deg(asked) <= LARGEST_ANGLE_DEG).all())
        return is_near and len(self.nearest(asked).unique()) == len(asked)

    def __getitem__(self, rows: Sequence[int] | Int[Tensor, "B"]) -> "GivenViews":
        rows = torch.as_tensor(rows)
        return GivenViews(self.rgb[rows], self.alpha[rows], self.cameras[rows])

    def _cosines(self, asked: CameraBatch) -> Float[Tensor, "B V"]:
        given, wanted = (torch.nn.functional.normalize(c.positions, dim=1) for c in (self.cameras, asked))
        return wanted @ given.T


def given_views(photographs: PhotographSet, name: str) -> GivenViews:
    """What a folder holds, those views that it keeps to measure against included.

    Args:
        name: of the folder, for messages.

    Raises:
        ValueError: surroundings show behind the object.
    """
    sets = [photographs.training, *([] if photographs.held_out is None else [photographs.held_out])]
    cut_out = [_cut_out(images, name) for images in sets]
    rgb, alpha = (torch.cat(parts) for parts in zip(*cut_out, strict=True))
    cameras = cat([images.cameras for images in sets])
    side = max(cameras.width, cameras.height)
    below, right = side - cameras.height, side - cameras.width
    pad = (0, 0, right // 2, right - right // 2, below // 2, below - below // 2)
    half_tangent = torch.tan(cameras.fovy_rad / 2) * side / cameras.height
    squared = replace(cameras, fovy_rad=2 * half_tangent.atan(), width=side, height=side)
    return GivenViews(
        torch.nn.functional.pad(rgb, pad, value=1.0), torch.nn.functional.pad(alpha, pad, value=0.0), squared
    )


def _cut_out(images: PosedImages, name: str) -> tuple[Float[Tensor, "V H W 3"], Float[Tensor, "V H W 1"]]:
    """On white, and the coverage."""
    straight, grounds = images.straight(), images.grounds
    if images.has_alpha:
        return over(straight, torch.ones(len(images), 3)), straight[..., 3:]
    if grounds.isnan().any():
        raise ValueError(
            f"the images of {name} have neither alpha nor one plain ground, so that the object cannot be told from its "
            "surroundings; cut it out first, e.g. with rembg"
        )
    colors = straight[..., :3]
    is_object = (colors - grounds[:, None, None]).abs().amax(dim=-1, keepdim=True) > _GROUND_TOLERANCE
    return torch.where(is_object, colors, 1.0), is_object.float()
