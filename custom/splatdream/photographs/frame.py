"""Where the object of some photographs is: a world in which it stands upright about the origin, as large as ours.

C cameras.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch

_HALF_HEIGHT = 2.5 * math.tan(math.radians(49.1) / 2)
"""What our cameras see above the origin, world units."""

_PARALLEL = 1e-4
"""Mean squared sine between the optical axes and their common direction below which depth is guesswork."""


def looked_at(cameras: CameraBatch) -> Float[Tensor, "3"]:
    """The point nearest to all optical axes, by least squares.

    Raises:
        ValueError: all of them look the same way.
    """
    forward = -cameras.c2w[:, :3, 2].double()
    across = torch.eye(3, dtype=torch.float64) - forward[:, :, None] * forward[:, None, :]
    offsets = (across @ cameras.positions.double()[..., None]).sum(dim=0)
    total = across.sum(dim=0)
    if torch.linalg.eigvalsh(total)[0] < _PARALLEL * len(cameras):
        raise ValueError(
            "the cameras all look the same way, so that what they look at is not known; set "
            "system.guidance.is_centered=false, or photograph the object from different sides"
        )
    return torch.linalg.solve(total, offsets)[:, 0].float()


def scale_of(cameras: CameraBatch, center: Float[Tensor, "3"]) -> float:
    """Factor after which things look as large as our configurations expect.

    Raises:
        ValueError: the cameras stand where they look.
    """
    distances = (cameras.positions - center).norm(dim=-1)
    half_height = float((distances * torch.tan(cameras.fovy_rad / 2)).median())
    if half_height < 1e-6:
        raise ValueError(
            "the cameras stand in one place and look away from it; set system.guidance.is_centered=false, or "
            "photograph an object from around it"
        )
    return _HALF_HEIGHT / half_height


def upright(cameras: CameraBatch, center: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The rotation after which the mean up of the cameras is +z, and the first of them stands on the side of +x."""
    up = torch.nn.functional.normalize(cameras.c2w[:, :3, 1].mean(dim=0), dim=0)
    toward = cameras.positions[0] - center
    front = toward - (toward @ up) * up
    if front.norm() < 1e-6:
        front = torch.linalg.cross(up, cameras.c2w[0, :3, 0])
    front = torch.nn.functional.normalize(front, dim=0)
    return torch.stack([front, torch.linalg.cross(up, front), up])
