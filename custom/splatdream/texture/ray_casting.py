"""What rays hit first. One interface for every tracer; a tracer on another device is one more entry in BACKENDS.

R rays.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
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


class RayCaster(ABC):
    """A mesh that is ready to be hit by rays; both sides of a face count."""

    @abstractmethod
    def cast(self, origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"]) -> RayHits:
        """The first hit of each ray. Results are on the rays' device and carry no gradient."""

    @abstractmethod
    def is_blocked(self, starts: Float[Tensor, "R 3"], ends: Float[Tensor, "R 3"]) -> Bool[Tensor, "R"]:
        """True where a face lies between the two points."""


def _embree(mesh: Mesh) -> RayCaster:
    from .embree_rays import EmbreeRayCaster

    return EmbreeRayCaster(mesh)


BACKENDS: Mapping[str, Callable[[Mesh], RayCaster]] = {"embree": _embree}


def ray_caster(mesh: Mesh, backend: str = "embree") -> RayCaster:
    """Prepares the mesh for rays.

    Raises:
        ValueError: no such backend, or the mesh is empty or broken.
    """
    if backend not in BACKENDS:
        raise ValueError(f"ray casting backend {backend!r} is unknown; choose one of {', '.join(BACKENDS)}")
    check_mesh(mesh)
    return BACKENDS[backend](mesh)
