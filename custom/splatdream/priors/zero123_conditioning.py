"""What Zero-1-to-3 is told of the picture and of the camera that looks at its object (arXiv:2303.11328, sec. 3.2).

B views, P pictures (1 or B), C channels.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cameras.batch import CameraBatch

NUM_CAMERA_NUMBERS = 4
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def relative_cameras(
    cameras: CameraBatch, picture_cameras: CameraBatch, tells_elevation: bool = False
) -> Float[Tensor, "B 4"]:
    """Where the cameras stand, seen from the camera of the picture.

    Radians by which the camera is lower, sine and cosine of the azimuth by which it went counterclockwise as seen from
    above, and the distance by which it is farther away. Stable Zero123 has in the last place how far the picture's
    camera is from straight above, in radians.

    Args:
        picture_cameras: P of them.
        tells_elevation: as Stable Zero123.
    """
    elevation, azimuth, distance = _spherical(cameras)
    elevation_of_picture, azimuth_of_picture, distance_of_picture = _spherical(picture_cameras)
    turn = azimuth - azimuth_of_picture
    last = math.pi / 2 - elevation_of_picture if tells_elevation else distance - distance_of_picture
    return torch.stack([elevation_of_picture - elevation, turn.sin(), turn.cos(), last.expand_as(turn)], dim=-1)


def _spherical(cameras: CameraBatch) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Elevations and azimuths in radians, and distances from the origin: of the positions, not the nominal ones."""
    x, y, z = cameras.positions.unbind(-1)
    return torch.atan2(z, torch.hypot(x, y)), torch.atan2(y, x), cameras.positions.norm(dim=-1)


def clip_pixels(images: Float[Tensor, "P 3 H W"], side: int) -> Float[Tensor, "P 3 {side} {side}"]:
    """Images in [-1, 1] as CLIP takes them, resized like Zero-1-to-3 resized its training images."""
    resized = nn.functional.interpolate(images, size=(side, side), mode="bicubic", align_corners=True)
    mean, deviation = (resized.new_tensor(value)[:, None, None] for value in (_CLIP_MEAN, _CLIP_DEVIATION))
    return ((resized + 1) / 2 - mean) / deviation


def camera_tokens(
    cc_projection: nn.Module, embeddings: Float[Tensor, "P C"], cameras: Float[Tensor, "B 4"]
) -> Float[Tensor, "B 1 C"]:
    """What the denoiser reads in the place of a text: one token a view, of the picture and the camera together."""
    both = torch.cat([embeddings.expand(len(cameras), -1), cameras.to(embeddings)], dim=-1)
    return cc_projection(both)[:, None]
