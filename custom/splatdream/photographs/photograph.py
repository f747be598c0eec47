"""One photograph as a camera file describes it, before its pixels are read."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

# A rotation that was written with four digits passes; a scaled or sheared matrix does not.
_ROTATION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Optics:
    """A pinhole, in pixels. None is what the file leaves to the image."""

    focal_x: float
    focal_y: float
    center_x: float | None = None
    """Principal point; None is the middle of the image."""
    center_y: float | None = None
    width: int | None = None
    """Size of the image that these numbers are about; None is that of the file."""
    height: int | None = None


@dataclass(frozen=True)
class Photograph:
    path: Path
    c2w: Float[Tensor, "4 4"]
    """OpenGL axes."""
    optics: Optics | None
    """None where the field of view is told instead."""
    fovx_rad: float | None = None
    """Horizontal, of the whole image."""


def checked_pose(rows: object, name: str) -> Float[Tensor, "4 4"]:
    """A camera-to-world matrix of 3 or 4 rows.

    Raises:
        ValueError: it has another shape, holds NaN, or does not begin with a rotation.
    """
    try:
        matrix = torch.tensor(rows, dtype=torch.float64)
    except (TypeError, ValueError):
        matrix = torch.zeros(0)
    if matrix.shape not in ((3, 4), (4, 4)):
        raise ValueError(f"the camera of {name} is no matrix of 3 or 4 rows with 4 numbers each")
    if not torch.isfinite(matrix).all():
        raise ValueError(f"the camera of {name} holds NaN or infinite numbers; leave the image out, or pose it again")
    rotation = matrix[:3, :3]
    is_orthogonal = (rotation @ rotation.T - torch.eye(3)).abs().max() < _ROTATION_TOLERANCE
    if not is_orthogonal or torch.linalg.det(rotation) < 0:
        raise ValueError(
            f"the camera of {name} is scaled, sheared or mirrored; its first three columns must be a rotation"
        )
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3] = matrix[:3]
    return pose
