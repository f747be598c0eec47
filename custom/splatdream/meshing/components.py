"""Connected pieces of a mesh: which to keep.

V vertices, F faces, K components.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .mesh import Mesh, directed_edges, without_faces


def face_components(mesh: Mesh) -> Int[Tensor, "F"]:
    """The component of each face, 0 to K - 1; faces that share a vertex are connected."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = directed_edges(mesh.faces).cpu().numpy()
    size = len(mesh.vertices)
    graph = coo_array((torch.ones(len(edges)).numpy(), (edges[:, 0], edges[:, 1])), shape=(size, size))
    labels = torch.from_numpy(connected_components(graph, directed=False)[1]).long()
    of_faces = labels.to(mesh.faces.device)[mesh.faces[:, 0]]
    return torch.unique(of_faces, return_inverse=True)[1]


def component_volumes(mesh: Mesh, components: Int[Tensor, "F"]) -> Float[Tensor, "K"]:
    """Enclosed volume of each component; negative for one whose faces point inward, the wall of a cavity."""
    a, b, c = mesh.corners.double().unbind(1)
    wedges = (a * torch.linalg.cross(b, c, dim=-1)).sum(1) / 6
    return torch.zeros(int(components.max()) + 1, dtype=torch.float64).to(wedges).index_add(0, components, wedges)


def winding_number(mesh: Mesh, point: Float[Tensor, "3"]) -> float:
    """How often the mesh surrounds the point: 1 inside a closed mesh, 0 outside (van Oosterom and Strackee 1983)."""
    a, b, c = (mesh.corners.double() - point.double()).unbind(1)
    la, lb, lc = a.norm(dim=1), b.norm(dim=1), c.norm(dim=1)
    numerator = (a * torch.linalg.cross(b, c, dim=-1)).sum(1)
    denominator = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
    return torch.atan2(numerator, denominator).sum().item() / (2 * math.pi)


def outer_components(mesh: Mesh, min_volume_share: float = 0.01) -> Mesh:
    """The mesh without cavities, without what floats inside of them, and without specks.

    Args:
        min_volume_share: a component smaller than this share of the largest one's volume is a speck.

    Raises:
        ValueError: no component encloses a volume.
    """
    components = face_components(mesh)
    volumes = component_volumes(mesh, components)
    largest = int(volumes.argmax())
    if volumes[largest] <= 0:
        raise ValueError("no part of the mesh encloses a volume; its faces point inward or it is flat")
    is_kept = volumes >= min_volume_share * volumes[largest]
    shell = without_faces(mesh, components != largest)
    for component in torch.nonzero(is_kept)[:, 0].tolist():
        if component != largest:
            some_vertex = mesh.vertices[mesh.faces[components == component][0, 0]]
            is_kept[component] = winding_number(shell, some_vertex) < 0.5
    return without_faces(mesh, ~is_kept[components])
