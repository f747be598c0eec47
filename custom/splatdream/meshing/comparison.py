"""How close two surfaces are: Chamfer distance, F-score and normal consistency.

N points on a surface.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .mesh import Mesh


@dataclass(frozen=True)
class SurfaceSamples:
    points: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    """Unit length, outward."""
    face_ids: Int[Tensor, "N"] | None = None
    """The face of each point, where they come from a mesh."""
    weights: Float[Tensor, "N 3"] | None = None
    """Of the three corners of that face: barycentric coordinates."""

    def __getitem__(self, chosen: Bool[Tensor, "N"]) -> "SurfaceSamples":
        return SurfaceSamples(self.points[chosen], self.normals[chosen])


@dataclass(frozen=True)
class SurfaceDistance:
    accuracy: float
    """Mean distance from the mesh to the reference, world units."""
    completeness: float
    """Mean distance from the reference to the mesh, world units."""
    normal_consistency: float
    """Mean of |cosine| between the normals of nearest points, both ways; 1 is perfect, 0.5 is chance."""
    f_score: float
    """Harmonic mean of the shares of points, both ways, that are nearer than the tolerance."""

    @property
    def chamfer(self) -> float:
        """Mean of accuracy and completeness, world units (distances, not squares)."""
        return 0.5 * (self.accuracy + self.completeness)


def sample_surface(mesh: Mesh, num_points: int, generator: torch.Generator) -> SurfaceSamples:
    """Points drawn uniformly by area, with the normals of their faces."""
    areas = mesh.face_areas.double()
    uniform = torch.rand(num_points, generator=generator, dtype=torch.float64).to(areas)
    faces = torch.searchsorted(areas.cumsum(0), uniform * areas.sum()).clamp(max=len(mesh) - 1)
    u, v = torch.rand(2, num_points, generator=generator).to(mesh.vertices)
    root = u.sqrt()
    # Uniform in the triangle (Osada et al. 2002, eq. 1).
    weights = torch.stack([1 - root, root * (1 - v), root * v], dim=1)
    return SurfaceSamples((mesh.corners[faces] * weights[..., None]).sum(1), mesh.face_normals[faces], faces, weights)


def surface_distance(mesh: SurfaceSamples, reference: SurfaceSamples, tolerance: float) -> SurfaceDistance:
    """Nearest-neighbor distances between two sets of samples.

    Args:
        tolerance: of the F-score, world units.
    """
    from scipy.spatial import cKDTree

    sets = [samples.points.double().cpu().numpy() for samples in (mesh, reference)]
    trees = [cKDTree(points) for points in sets]
    to_reference, nearest_reference = trees[1].query(sets[0])
    to_mesh, nearest_mesh = trees[0].query(sets[1])
    cosines = [
        (mesh.normals * reference.normals[torch.from_numpy(nearest_reference)]).sum(1).abs().mean().item(),
        (reference.normals * mesh.normals[torch.from_numpy(nearest_mesh)]).sum(1).abs().mean().item(),
    ]
    precision, recall = float((to_reference < tolerance).mean()), float((to_mesh < tolerance).mean())
    return SurfaceDistance(
        accuracy=float(to_reference.mean()),
        completeness=float(to_mesh.mean()),
        normal_consistency=0.5 * sum(cosines),
        f_score=2 * precision * recall / max(precision + recall, 1e-12),
    )
