"""Rays on the device of the mesh, by Warp's mesh queries. The only file that imports warp.

R rays.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..meshing.mesh import Mesh
from .embree_rays import Hits

try:
    import warp
except ImportError as error:
    raise ImportError(f"ray casting on a GPU needs Warp: pip install 'splatdream[warp]' ({error})") from error

warp.config.quiet = True
warp.init()
_VECTORS, _NUMBERS, _IDS = (warp.array(dtype=dtype) for dtype in (warp.vec3, warp.float32, warp.int32))


@warp.kernel(enable_backward=False)
def _cast(
    mesh: warp.uint64,
    reach: warp.float32,
    origins: _VECTORS,
    directions: _VECTORS,
    face_ids: _IDS,
    barycentrics: _VECTORS,
    distances: _NUMBERS,
):
    ray = warp.tid()
    face_ids[ray] = -1
    barycentrics[ray] = warp.vec3(0.0, 0.0, 0.0)
    distances[ray] = warp.inf
    hit = warp.mesh_query_ray(mesh, origins[ray], directions[ray], reach)
    if hit.result:
        face_ids[ray] = hit.face
        barycentrics[ray] = warp.vec3(hit.u, hit.v, 1.0 - hit.u - hit.v)
        distances[ray] = hit.t


class WarpRays:
    """See `RayCaster`. Nothing leaves the device, and the host does not wait for it."""

    def __init__(self, mesh: Mesh) -> None:
        self._device = mesh.vertices.device
        # Kept: Warp's mesh is a view of this memory.
        self._vertices = mesh.vertices.detach().float().contiguous()
        self._corners = mesh.faces.int().flatten()
        with self._queue():
            self._mesh = warp.Mesh(points=_vectors(self._vertices), indices=warp.from_torch(self._corners))

    def cast(self, origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"]) -> Hits:
        """What `RayHits` has, in its order."""
        return self._cast(origins, directions, torch.inf)

    def is_blocked(self, starts: Float[Tensor, "R 3"], ends: Float[Tensor, "R 3"]) -> Bool[Tensor, "R"]:
        return self._cast(starts, ends - starts, 1.0)[0] >= 0

    def _cast(self, origins: Tensor, directions: Tensor, reach: float) -> Hits:
        """
        Args:
            reach: in lengths of the direction.
        """
        rays = [tensor.detach().to(self._device, torch.float32).contiguous() for tensor in (origins, directions)]
        face_ids = torch.empty(len(origins), dtype=torch.int32, device=self._device)
        barycentrics, distances = torch.empty_like(rays[0]), torch.empty_like(rays[0][:, 0])
        outputs = [warp.from_torch(face_ids), _vectors(barycentrics), warp.from_torch(distances)]
        with self._queue():
            inputs = [self._mesh.id, reach, *map(_vectors, rays), *outputs]
            warp.launch(_cast, dim=len(origins), inputs=inputs, device=str(self._device))
        return face_ids.to(origins.device, torch.int64), barycentrics.to(origins), distances.to(origins)

    def _queue(self) -> AbstractContextManager:
        """Work stands behind torch's own on the device, so that neither waits for the other."""
        is_cuda = self._device.type == "cuda"
        return warp.ScopedStream(warp.stream_from_torch(self._device)) if is_cuda else nullcontext()


def _vectors(tensor: Float[Tensor, "N 3"]) -> warp.array:
    return warp.from_torch(tensor, dtype=warp.vec3)
