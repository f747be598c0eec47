"""What rays hit first, by Embree on the CPU or by Warp on the device of the mesh.

R rays.
"""

import importlib.util
from dataclasses import dataclass

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


TRACERS = ("auto", "embree", "warp")


class RayCaster:
    """A mesh that is ready to be hit by rays; both sides of a face count. Results carry no gradient."""

    def __init__(self, mesh: Mesh, tracer: str = "auto") -> None:
        """
        Args:
            tracer: "embree" (on the CPU, a mesh of another device is copied there), "warp" (on the device of the mesh),
                or "auto": Warp for a mesh on a CUDA device where Warp is installed, Embree otherwise.

        Raises:
            ImportError: the tracer is not installed.
            ValueError: the mesh is empty or broken, or there is no such tracer.
        """
        check_mesh(mesh)
        if tracer not in TRACERS:
            raise ValueError(f"ray tracer {tracer!r} is not one of {', '.join(TRACERS)}")
        if tracer == "auto":
            tracer = "warp" if mesh.vertices.is_cuda and importlib.util.find_spec("warp") else "embree"
        if tracer == "warp":
            from .warp_rays import WarpRays as Rays
        else:
            from .embree_rays import EmbreeRays as Rays
        self._rays = Rays(mesh)

    def cast(self, origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"]) -> RayHits:
        """The first hit of each ray, on the rays' device."""
        return RayHits(*self._rays.cast(origins, directions))

    def is_blocked(self, starts: Float[Tensor, "R 3"], ends: Float[Tensor, "R 3"]) -> Bool[Tensor, "R"]:
        """True where a face lies between the two points."""
        return self._rays.is_blocked(starts, ends)
