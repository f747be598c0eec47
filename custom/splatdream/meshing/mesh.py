"""Mesh: triangles in the world (z up, front toward +x). Outward faces run counter-clockwise, seen from outside.

V vertices, F faces, E edges.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Mesh:
    vertices: Float[Tensor, "V 3"]
    """World units."""
    faces: Int[Tensor, "F 3"]
    """Rows of `vertices`."""

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def corners(self) -> Float[Tensor, "F 3 3"]:
        """The three vertices of each face."""
        return self.vertices[self.faces]

    @property
    def face_crosses(self) -> Float[Tensor, "F 3"]:
        """Outward, twice as long as the face has area."""
        a, b, c = self.corners.unbind(1)
        return torch.linalg.cross(b - a, c - a, dim=-1)

    @property
    def face_areas(self) -> Float[Tensor, "F"]:
        return 0.5 * self.face_crosses.norm(dim=-1)

    @property
    def face_normals(self) -> Float[Tensor, "F 3"]:
        """Unit length; zero for a face without area."""
        return torch.nn.functional.normalize(self.face_crosses, dim=-1, eps=1e-20)

    @property
    def vertex_normals(self) -> Float[Tensor, "V 3"]:
        """Unit means of the normals of the adjacent faces, weighted by area; differentiable."""
        crosses = self.face_crosses[:, None].expand(-1, 3, -1).reshape(-1, 3)
        summed = torch.zeros_like(self.vertices).index_add(0, self.faces.reshape(-1), crosses)
        return torch.nn.functional.normalize(summed, dim=-1, eps=1e-20)

    @property
    def bounds(self) -> Float[Tensor, "2 3"]:
        """Lowest and highest coordinates."""
        return torch.stack([self.vertices.amin(0), self.vertices.amax(0)])

    @property
    def volume(self) -> float:
        """Enclosed volume; negative when the faces point inward. Means nothing for an open mesh."""
        a, b, c = self.corners.double().unbind(1)
        return (a * torch.linalg.cross(b, c, dim=-1)).sum().item() / 6

    def to(self, device: torch.device | str) -> "Mesh":
        return Mesh(self.vertices.to(device), self.faces.to(device))


def check_mesh(mesh: Mesh, source: str = "the mesh") -> None:
    """Does nothing when the mesh can be worked with.

    Raises:
        ValueError: it has no faces, a coordinate that is not finite, or a face that names a vertex that does not exist.
    """
    if len(mesh.faces) == 0 or len(mesh.vertices) == 0:
        raise ValueError(f"{source} has no faces; nothing can be unwrapped, painted or written")
    if not torch.isfinite(mesh.vertices).all():
        count = int((~torch.isfinite(mesh.vertices)).any(dim=1).sum())
        raise ValueError(f"{source} has {count} vertices with NaN or infinite coordinates; export it again")
    low, high = int(mesh.faces.min()), int(mesh.faces.max())
    if low < 0 or high >= len(mesh.vertices):
        raise ValueError(
            f"{source} has faces that name vertices {low} to {high}, but only {len(mesh.vertices)} vertices; "
            "the file is damaged"
        )


def without_faces(mesh: Mesh, is_removed: Bool[Tensor, "F"]) -> Mesh:
    """The mesh without some faces, and without the vertices that no face needs any more; order is kept."""
    faces = mesh.faces[~is_removed]
    used = torch.zeros(len(mesh.vertices), dtype=torch.bool, device=faces.device)
    used[faces.reshape(-1)] = True
    renumbered = torch.cumsum(used, 0) - 1
    return Mesh(mesh.vertices[used], renumbered[faces])


def is_degenerate(mesh: Mesh) -> Bool[Tensor, "F"]:
    """True for a face that names a vertex twice, or has no area at the precision of its coordinates."""
    names_twice = (mesh.faces == mesh.faces.roll(1, dims=1)).any(dim=1)
    extent = (mesh.bounds[1] - mesh.bounds[0]).max()
    return names_twice | (mesh.face_areas <= 1e-14 * extent**2)


def directed_edges(faces: Int[Tensor, "F 3"]) -> Int[Tensor, "F3 2"]:
    """The three edges of every face, in its direction: face by face, corner k to corner k + 1."""
    return torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).reshape(-1, 2)


def unique_edges(faces: Int[Tensor, "F 3"]) -> tuple[Int[Tensor, "E 2"], Int[Tensor, "F3"], Int[Tensor, "E"]]:
    """Undirected edges (lower vertex first), which of them each directed edge is, and how many faces share each."""
    pairs = directed_edges(faces).sort(dim=1).values
    base = int(faces.max()) + 1 if len(faces) else 1
    keys, which, counts = torch.unique(pairs[:, 0] * base + pairs[:, 1], return_inverse=True, return_counts=True)
    return torch.stack([keys // base, keys % base], dim=1), which, counts
