"""Rays on the CPU. The only file that imports embreex.

R rays.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..meshing.mesh import Mesh

Hits = tuple[Int[Tensor, "R"], Float[Tensor, "R 3"], Float[Tensor, "R"]]


class EmbreeRays:
    """See `RayCaster`. Embree computes in single precision and numbers corners so that a hit is
    (1 - u - v) a + u b + v c."""

    def __init__(self, mesh: Mesh) -> None:
        """
        Raises:
            ImportError: embreex is missing.
        """
        try:
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        except ImportError as error:
            raise ImportError(f"ray casting on the CPU needs embreex: pip install embreex ({error})") from error
        self._scene = EmbreeScene(robust=True)
        # The geometry belongs to the scene, but only as long as Python keeps it.
        self._geometry = TriangleMesh(self._scene, _array(mesh.vertices), mesh.faces.cpu().numpy().astype(np.int32))

    def cast(self, origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"]) -> Hits:
        """What `RayHits` has, in its order."""
        # Embree wants unit directions for its distances to be reliable.
        lengths = directions.detach().norm(dim=1)
        unit = directions.detach() / lengths[:, None]
        found = self._scene.run(_array(origins), _array(unit), output=True)
        face_ids = torch.from_numpy(np.asarray(found["primID"]).astype(np.int64)).to(origins.device)
        is_hit = face_ids >= 0
        u, v, distances = (torch.from_numpy(np.asarray(found[name])).to(origins) for name in ("u", "v", "tfar"))
        weights = torch.stack([1 - u - v, u, v], dim=1)
        return (
            face_ids,
            torch.where(is_hit[:, None], weights, torch.zeros_like(weights)),
            torch.where(is_hit, distances / lengths, torch.full_like(distances, torch.inf)),
        )

    def is_blocked(self, starts: Float[Tensor, "R 3"], ends: Float[Tensor, "R 3"]) -> Bool[Tensor, "R"]:
        offsets = (ends - starts).detach()
        distances = offsets.norm(dim=1)
        first = self._scene.run(
            _array(starts), _array(offsets / distances[:, None]), dists=_array(distances), query="OCCLUDED"
        )
        return torch.from_numpy(np.asarray(first) >= 0).to(starts.device)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
