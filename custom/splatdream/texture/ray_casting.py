"""What rays hit first. The only file that imports embreex.

R rays.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..meshing.mesh import Mesh, check_mesh


@dataclass(frozen=True)
class RayHits:
    face_ids: Int[Tensor, "R"]
    """The face that is hit first; -1 for a ray that hits nothing."""
    barycentrics: Float[Tensor, "R 3"]
    """Weights of the face's corners 0, 1 and 2 at the hit; they sum to 1. Zero for a miss."""
    distances: Float[Tensor, "R"]
    """In lengths of the ray's direction; infinite for a miss."""

    @property
    def is_hit(self) -> Bool[Tensor, "R"]:
        return self.face_ids >= 0


class RayCaster:
    """A mesh that is ready to be hit by rays, on the CPU; both sides of a face count.

    Results are on the rays' device and carry no gradient. Embree computes in single precision and numbers corners so
    that a hit is (1 - u - v) a + u b + v c.
    """

    def __init__(self, mesh: Mesh) -> None:
        """
        Raises:
            ImportError: embreex is missing.
            ValueError: the mesh is empty or broken.
        """
        check_mesh(mesh)
        try:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError as error:
            raise ImportError(f"ray casting on the CPU needs embreex: pip install embreex ({error})") from error
        self._scene = EmbreeScene(robust=True)
        # The geometry belongs to the scene, but only as long as Python keeps it.
        self._geometry = TriangleMesh(self._scene, _array(mesh.vertices), mesh.faces.cpu().numpy().astype(np.int32))

    def cast(self, origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"]) -> RayHits:
        """The first hit of each ray."""
        # Embree wants unit directions for its distances to be reliable.
        lengths = directions.detach().norm(dim=1)
        unit = directions.detach() / lengths[:, None]
        found = self._scene.run(_array(origins), _array(unit), output=True)
        face_ids = torch.from_numpy(np.asarray(found["primID"]).astype(np.int64)).to(origins.device)
        is_hit = face_ids >= 0
        u, v, distances = (torch.from_numpy(np.asarray(found[name])).to(origins) for name in ("u", "v", "tfar"))
        weights = torch.stack([1 - u - v, u, v], dim=1)
        return RayHits(
            face_ids=face_ids,
            barycentrics=torch.where(is_hit[:, None], weights, torch.zeros_like(weights)),
            distances=torch.where(is_hit, distances / lengths, torch.full_like(distances, torch.inf)),
        )

    def is_blocked(self, starts: Float[Tensor, "R 3"], ends: Float[Tensor, "R 3"]) -> Bool[Tensor, "R"]:
        """True where a face lies between the two points."""
        offsets = (ends - starts).detach()
        distances = offsets.norm(dim=1)
        first = self._scene.run(
            _array(starts), _array(offsets / distances[:, None]), dists=_array(distances), query="OCCLUDED"
        )
        return torch.from_numpy(np.asarray(first) >= 0).to(starts.device)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
