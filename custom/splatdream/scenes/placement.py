"""Where an object stands in a scene."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import transform


@dataclass(frozen=True)
class Placement:
    """About the object's origin: scaled, then rotated, then moved."""

    scale: float = 1.0
    rotate_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """About the world's x, then y, then z; counterclockwise as seen from the axis' end."""
    move: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """World units."""

    @property
    def rotation(self) -> Float[Tensor, "3 3"] | None:
        """None where nothing turns."""
        from scipy.spatial.transform import Rotation

        if not any(self.rotate_deg):
            return None
        return torch.from_numpy(Rotation.from_euler("xyz", self.rotate_deg, degrees=True).as_matrix()).float()

    def placed(self, cloud: GaussianCloud) -> GaussianCloud:
        """
        Raises:
            ValueError: as `transform`.
        """
        return transform(cloud, self.rotation, torch.tensor(self.move), self.scale)
