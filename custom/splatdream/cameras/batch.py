"""CameraBatch: what every room receives when it is told where to look from.

B cameras.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..storage.device_copies import sent
from .conventions import (
    intrinsics,
    look_at,
    opengl_to_opencv_viewmats,
    orbit_positions,
    projection_matrices,
    ray_directions,
)

# threestudio's data modules fix these; only `mvp_mtx` and `proj_mtx` use them.
UPSTREAM_NEAR, UPSTREAM_FAR = 0.01, 100.0
_TENSORS = ("c2w", "fovy_rad", "elevation_deg", "azimuth_deg", "distances")
ANGLES_ON_HOST = "angles_on_host"
"""Key of a batch on a GPU: elevation and azimuth, where they were drawn."""


@dataclass(frozen=True)
class CameraBatch:
    """B pinhole cameras with one image size.

    Angles and distances are nominal: where the camera would be before perturbation. `c2w` is what counts for rendering.
    """

    c2w: Float[Tensor, "B 4 4"]
    """Camera-to-world, OpenGL axes."""
    fovy_rad: Float[Tensor, "B"]
    elevation_deg: Float[Tensor, "B"]
    """On the host where it is known there: texts are chosen by the angles, and the choice must not wait for a GPU."""
    azimuth_deg: Float[Tensor, "B"]
    """Likewise."""
    distances: Float[Tensor, "B"]
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.c2w)

    def __getitem__(self, index: slice | list[int] | Tensor) -> "CameraBatch":
        """The chosen cameras; always a batch, so index with a slice, a list or a tensor."""
        return self._each(lambda tensor: picked(tensor, index))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "CameraBatch":
        return replace(self, **{name: change(getattr(self, name)) for name in _TENSORS})

    @property
    def positions(self) -> Float[Tensor, "B 3"]:
        return self.c2w[:, :3, 3]

    @property
    def viewmats(self) -> Float[Tensor, "B 4 4"]:
        """World-to-camera, OpenCV axes, as `gsplat.rasterization` takes them."""
        return opengl_to_opencv_viewmats(self.c2w)

    @property
    def Ks(self) -> Float[Tensor, "B 3 3"]:
        """Intrinsics in pixels."""
        return intrinsics(self.fovy_rad, self.width, self.height)

    @property
    def ray_directions(self) -> Float[Tensor, "B height width 3"]:
        """Unit world directions through the pixel centers."""
        return ray_directions(self.c2w, self.fovy_rad, self.width, self.height)

    def to(self, device: torch.device | str) -> "CameraBatch":
        return self._each(lambda tensor: tensor.to(device))

    def resized(self, width: int, height: int) -> "CameraBatch":
        """The same cameras with another image size and the same vertical field of view."""
        return replace(self, width=width, height=height)

    def to_batch(self) -> dict[str, Tensor | int]:
        """The batch that threestudio's systems, renderers and guidance expect (angles in degrees, fovy in radians)."""
        directions = self.ray_directions
        projection = projection_matrices(self.fovy_rad, self.width, self.height, UPSTREAM_NEAR, UPSTREAM_FAR)
        return {
            "rays_o": self.positions[:, None, None, :].expand_as(directions),
            "rays_d": directions,
            "c2w": self.c2w,
            "mvp_mtx": projection @ torch.linalg.inv_ex(self.c2w).inverse,
            "proj_mtx": projection,
            "camera_positions": self.positions,
            "light_positions": self.positions,
            "elevation": self.elevation_deg,
            "azimuth": self.azimuth_deg,
            "camera_distances": self.distances,
            "fovy": self.fovy_rad,
            "height": self.height,
            "width": self.width,
        }

    @staticmethod
    def from_batch(batch: Mapping[str, object]) -> "CameraBatch":
        """The cameras of a threestudio batch; other keys are ignored.

        Raises:
            KeyError: a key that describes the cameras is missing; the message names it.
        """
        names = ("c2w", "fovy", "elevation", "azimuth", "camera_distances", "width", "height")
        missing = [name for name in names if name not in batch]
        if missing:
            raise KeyError(f"the batch has no {', '.join(missing)}; a camera batch needs {', '.join(names)}")
        elevation_deg, azimuth_deg = batch.get(ANGLES_ON_HOST, (batch["elevation"], batch["azimuth"]))
        return CameraBatch(
            c2w=batch["c2w"],
            fovy_rad=batch["fovy"],
            elevation_deg=elevation_deg,
            azimuth_deg=azimuth_deg,
            distances=batch["camera_distances"],
            width=int(batch["width"]),
            height=int(batch["height"]),
        )


def picked(tensor: Float[Tensor, "B ..."], index: slice | list[int] | Tensor) -> Float[Tensor, "b ..."]:
    """`tensor[index]`, without waiting for a GPU when the index is on the host."""
    return tensor[sent(index, tensor.device) if isinstance(index, Tensor) else index]


def cat(batches: Sequence[CameraBatch]) -> CameraBatch:
    """All the cameras in one batch. Their image sizes must agree."""
    sizes = {(batch.width, batch.height) for batch in batches}
    if len(sizes) != 1:
        raise ValueError(f"cameras of one batch share one image size, got {sorted(sizes)}")
    joined = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in _TENSORS}
    return replace(batches[0], **joined)


def orbit_cameras(
    elevation_deg: Sequence[float] | Float[Tensor, "B"],
    azimuth_deg: Sequence[float] | Float[Tensor, "B"],
    distance: float | Float[Tensor, "B"] = 2.5,
    fovy_deg: float = 49.1,
    width: int = 64,
    height: int = 64,
) -> CameraBatch:
    """Cameras round the origin that look at it, upright; elevation and azimuth pair up one to one."""
    elevation = torch.as_tensor(elevation_deg, dtype=torch.float32)
    azimuth = torch.as_tensor(azimuth_deg, dtype=torch.float32)
    distances = torch.as_tensor(distance, dtype=azimuth.dtype).expand_as(azimuth).clone()
    positions = orbit_positions(elevation, azimuth, distances)
    up = torch.zeros_like(positions)
    up[:, 2] = 1
    return CameraBatch(
        c2w=look_at(positions, torch.zeros_like(positions), up),
        fovy_rad=torch.deg2rad(torch.full_like(azimuth, fovy_deg)),
        elevation_deg=elevation,
        azimuth_deg=azimuth,
        distances=distances,
        width=width,
        height=height,
    )
