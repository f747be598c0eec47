"""PosedImages: what Gaussians are fitted to, and what they are measured against.

B images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.conventions import wrap_degrees

_GROUND_TOLERANCE = 0.06
_GROUND_SHARE = 0.9
"""Of the pixels along the border of an image; objects may touch it."""


@dataclass(frozen=True)
class PosedImages:
    """Images of one size, each with the camera that took it."""

    rgba: UInt8[Tensor, "B height width 4"]
    """Color and coverage, not premultiplied: what a PNG holds, and what Blender writes."""
    cameras: CameraBatch
    names: tuple[str, ...]
    """Of their files."""

    def __len__(self) -> int:
        return len(self.rgba)

    def __getitem__(self, rows: Sequence[int]) -> "PosedImages":
        """The chosen images, in this order."""
        rows = list(rows)
        return PosedImages(self.rgba[rows], self.cameras[rows], tuple(self.names[row] for row in rows))

    @property
    def has_alpha(self) -> bool:
        """Whether any of them lets its background through."""
        return bool((self.rgba[..., 3] < 255).any())

    @property
    def grounds(self) -> Float[Tensor, "B 3"]:
        """The color behind an object that stands before a plain ground without alpha, in [0, 1]: what the border of the
        image shows. NaN where it shows several, or has alpha."""
        colors = self.straight()
        sides = [colors[:, 0], colors[:, -1], colors[:, :, 0], colors[:, :, -1]]
        border = torch.cat(sides, dim=1)
        ground = border[..., :3].median(dim=1).values
        is_ground = ((border[..., :3] - ground[:, None]).abs().amax(dim=-1) < _GROUND_TOLERANCE).float().mean(dim=1)
        is_plain = (is_ground > _GROUND_SHARE) & (colors[..., 3] == 1).flatten(1).all(dim=1)
        return torch.where(is_plain[:, None], ground, torch.nan)

    def straight(self) -> Float[Tensor, "B height width 4"]:
        """The numbers in [0, 1]."""
        return self.rgba.float() / 255


def over(straight: Float[Tensor, "B H W 4"], background: Float[Tensor, "B 3"]) -> Float[Tensor, "B H W 3"]:
    """Images that are not premultiplied in front of one color each: alpha rgb + (1 - alpha) background, as NeRF reads
    Blender's files (arXiv:2003.08934)."""
    rgb, alpha = straight[..., :3], straight[..., 3:]
    return alpha * rgb + (1 - alpha) * background[:, None, None, :]


def posed_cameras(c2w: Float[Tensor, "B 4 4"], fovy_rad: Float[Tensor, "B"], width: int, height: int) -> CameraBatch:
    """Cameras that stand anywhere; their nominal angles and distances are those of their places about the origin."""
    x, y, z = c2w[:, :3, 3].unbind(-1)
    return CameraBatch(
        c2w=c2w,
        fovy_rad=fovy_rad,
        elevation_deg=torch.rad2deg(torch.atan2(z, torch.hypot(x, y))),
        azimuth_deg=wrap_degrees(torch.rad2deg(torch.atan2(y, x))),
        distances=c2w[:, :3, 3].norm(dim=-1),
        width=width,
        height=height,
    )


def moved(images: PosedImages, rotation: Float[Tensor, "3 3"], center: Float[Tensor, "3"], scale: float) -> PosedImages:
    """The same images of a world in which every point p has become scale rotation (p - center)."""
    cameras = images.cameras
    c2w = torch.eye(4).repeat(len(images), 1, 1)
    c2w[:, :3, :3] = rotation @ cameras.c2w[:, :3, :3]
    c2w[:, :3, 3] = scale * (cameras.positions - center) @ rotation.T
    return replace(images, cameras=posed_cameras(c2w, cameras.fovy_rad, cameras.width, cameras.height))
