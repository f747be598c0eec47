"""Where to look at a mesh from, so that every side of it is seen.

B cameras.
"""

import math
from dataclasses import replace

import torch

from ..cameras.batch import CameraBatch, orbit_cameras
from ..cameras.conventions import look_at
from ..meshing.mesh import Mesh

_MARGIN = 1.05
_FOVY_DEG = 40.0
# (elevation in degrees, share of the views): more where most surfaces face.
_RINGS = ((-55.0, 0.14), (-20.0, 0.24), (12.0, 0.26), (42.0, 0.22), (75.0, 0.14))


def surrounding_cameras(mesh: Mesh, num_views: int, size: int) -> CameraBatch:
    """About `num_views` cameras on five rings, turned against each other, that have all of the mesh in view.

    Raises:
        ValueError: fewer than 6 views, with which no side would be sure to be seen.
    """
    if num_views < 6:
        raise ValueError(f"{num_views} views cannot see every side of an object; use at least 6")
    elevations, azimuths = [], []
    for ring, (elevation, share) in enumerate(_RINGS):
        count = max(1, round(share * num_views))
        turn = 0.5 * (ring % 2) * 360.0 / count
        elevations += [elevation] * count
        azimuths += [turn + 360.0 * i / count for i in range(count)]
    middle = mesh.bounds.mean(0)
    radius = (mesh.vertices - middle).norm(dim=1).max().item()
    distance = _MARGIN * radius / math.sin(math.radians(_FOVY_DEG) / 2)
    cameras = orbit_cameras(elevations, azimuths, distance, _FOVY_DEG, size, size).to(mesh.vertices.device)
    c2w = cameras.c2w.clone()
    c2w[:, :3, 3] += middle
    return replace(cameras, c2w=c2w)


def crop_cameras(cameras: CameraBatch, zoom: float, size: int, generator: torch.Generator) -> CameraBatch:
    """Cameras at the same places, each turned to a random part of its image and zoomed in on it.

    A crop that every prior can be told the camera of: what is seen is the crop, up to the perspective of the turn.

    Args:
        zoom: 1 leaves the image as it is, 2 sees half of its width and height.
        size: width and height of the crops, pixels.

    Raises:
        ValueError: the zoom is below 1.
    """
    if zoom < 1:
        raise ValueError(f"a crop's zoom must be at least 1, got {zoom}")
    half_height = torch.tan(0.5 * cameras.fovy_rad)
    half_width = half_height * cameras.width / cameras.height
    offsets = (2 * torch.rand(2, len(cameras), generator=generator) - 1).to(half_height) * (1 - 1 / zoom)
    ahead = torch.stack([offsets[0] * half_width, offsets[1] * half_height, -torch.ones_like(half_height)], dim=1)
    forward = torch.einsum("bij,bj->bi", cameras.c2w[:, :3, :3], ahead)
    return replace(
        cameras,
        c2w=look_at(cameras.positions, cameras.positions + forward, cameras.c2w[:, :3, 1]),
        fovy_rad=2 * torch.atan(half_height / zoom),
        width=size,
        height=size,
    )
