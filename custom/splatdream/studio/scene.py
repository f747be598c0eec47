"""What the page's 3D view shows: the asset as each viewer sees it, and the cameras of the step."""

from typing import Any

import numpy as np
import torch

from ..assets.base import SCENE_NAME, Asset
from ..cameras.conventions import opengl_to_opencv_viewmats
from ..gaussians.cloud import GaussianCloud
from ..gaussians.rotations import matrix_to_quat
from ..gaussians.splat_arrays import splat_arrays
from ..viewer.run_window import Shown

_CAMERAS = "/cameras"
_FRUSTUM, _LINE = 0.12, 0.006
"""Depth of a drawn camera, and of its lines, world units."""
_MOVED = 0.02
"""World units that a viewer moves before colors are made anew."""


class Viewer:
    """One browser's view. Colors depend on where it looks from, so every browser has a scene of its own.

    Args:
        client: viser's handle.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._shown: GaussianCloud | Asset | None = None
        self._eye: np.ndarray | None = None
        self._num_cameras = 0

    def show(self, wanted: GaussianCloud | Asset | None) -> None:
        """Does nothing where it is what is shown, seen from where it is seen."""
        is_new = wanted is not self._shown
        if isinstance(wanted, GaussianCloud):
            if is_new or (wanted.sh_degree > 0 and self._has_moved()):
                self._draw_cloud(wanted)
        elif is_new:
            if self._shown is not None:
                self._client.scene.remove_by_name(SCENE_NAME)
            if wanted is not None:
                wanted.draw(self._client.scene)
        self._shown = wanted

    def _draw_cloud(self, cloud: GaussianCloud) -> None:
        self._eye = np.array(self._client.camera.position)
        eye = torch.tensor(self._eye, dtype=torch.float32)
        self._client.scene.add_gaussian_splats(SCENE_NAME, **splat_arrays(cloud, eye))

    def show_cameras(self, shown: Shown | None) -> None:
        """Draws the cameras of a step, or none."""
        poses = [] if shown is None else opengl_to_opencv_viewmats(shown.c2w).inverse()
        for number, pose in enumerate(poses):
            self._client.scene.add_camera_frustum(
                f"{_CAMERAS}/{number}",
                fov=float(shown.fovy_rad[number]),
                aspect=shown.aspect,
                scale=_FRUSTUM,
                thickness=_LINE,
                color=(214, 96, 40),
                wxyz=matrix_to_quat(pose[:3, :3]).numpy(),
                position=pose[:3, 3].numpy(),
            )
        for number in range(len(poses), self._num_cameras):
            self._client.scene.remove_by_name(f"{_CAMERAS}/{number}")
        self._num_cameras = len(poses)

    def _has_moved(self) -> bool:
        return float(np.linalg.norm(np.array(self._client.camera.position) - self._eye)) > _MOVED
