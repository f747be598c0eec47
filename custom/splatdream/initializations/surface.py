"""Points on surfaces, with their colors and normals.

N points.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..meshing.comparison import SurfaceSamples, sample_surface
from ..texture.mesh_files import PaintedMesh
from ..texture.textured_mesh import sample_texture


@dataclass(frozen=True)
class SurfacePoints:
    points: Float[Tensor, "N 3"]
    colors: Float[Tensor, "N 3"] | None = None
    """RGB in [0, 1]; None where none are known."""
    normals: Float[Tensor, "N 3"] | None = None
    """Outward, unit length; None where none are known."""

    def moved(self, rotation: Float[Tensor, "3 3"], scale: float) -> "SurfacePoints":
        """x -> scale * rotation @ x."""
        rotation = rotation.to(self.points)
        normals = None if self.normals is None else self.normals @ rotation.T
        return replace(self, points=scale * self.points @ rotation.T, normals=normals)


def points_on(painted: PaintedMesh, num_points: int, generator: torch.Generator) -> SurfacePoints:
    """Points drawn evenly from a surface, with the normal of their face and the color of its texture or its corners."""
    samples = sample_surface(painted.mesh, num_points, generator)
    return SurfacePoints(samples.points, _colors(painted, samples), samples.normals)


def _colors(painted: PaintedMesh, samples: SurfaceSamples) -> Float[Tensor, "N 3"] | None:
    if painted.textured is not None:
        uvs = _between(painted.textured.layout.corners, samples)
        return sample_texture(painted.textured.texture, uvs)
    return None if painted.corner_colors is None else _between(painted.corner_colors, samples)


def _between(corners: Float[Tensor, "F 3 C"], samples: SurfaceSamples) -> Float[Tensor, "N C"]:
    """Values of the corners of faces, interpolated at the samples."""
    return torch.einsum("nk,nkc->nc", samples.weights, corners[samples.face_ids])
