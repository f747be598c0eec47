"""Fans of faces round a vertex, and taking surfaces apart where they only touch.

V vertices, F faces, F3 = 3 F corners.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .mesh import Mesh, unique_edges


def corner_fans(faces: Int[Tensor, "F 3"], is_linking: Bool[Tensor, "F3"]) -> Int[Tensor, "F3"]:
    """The fan of each corner of each face: corners at one vertex are in one fan when their faces share linking edges.

    Args:
        is_linking: for side k of each face (corner k to corner k + 1), whether it joins the faces on both sides.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, edge_of_side, _ = unique_edges(faces)
    corner = torch.arange(faces.numel(), device=faces.device)
    previous_side = corner - corner % 3 + (corner + 2) % 3
    # Each corner lies on two sides of its face; corners at one end of one edge belong together.
    sides = torch.cat([corner, previous_side])
    corners = torch.cat([corner, corner])[is_linking[sides]]
    vertices, sides = faces.reshape(-1)[corners], sides[is_linking[sides]]
    keys, order = (edge_of_side[sides] * (int(faces.max()) + 1) + vertices).sort()
    is_same = keys[1:] == keys[:-1]
    a, b = corners[order][1:][is_same].cpu().numpy(), corners[order][:-1][is_same].cpu().numpy()
    graph = coo_array((torch.ones(len(a)).numpy(), (a, b)), shape=(len(corner),) * 2)
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long().to(faces.device)


def fans_per_vertex(faces: Int[Tensor, "F 3"], num_vertices: int) -> Int[Tensor, "V"]:
    """1 where the surface is a disk or a half disk; more where fans of faces touch in nothing but the vertex."""
    every_side = torch.ones(faces.numel(), dtype=torch.bool, device=faces.device)
    pairs = torch.stack([faces.reshape(-1), corner_fans(faces, every_side)], dim=1)
    return torch.bincount(torch.unique(pairs, dim=0)[:, 0], minlength=num_vertices)


def without_touching(mesh: Mesh) -> Mesh:
    """The same faces, with a vertex of its own for every fan, so that sheets that touch in an edge or a vertex part.

    Edge collapses can pinch a surface, which leaves edges with four faces; no face moves, vertices double.
    """
    _, edge_of_side, counts = unique_edges(mesh.faces)
    fans = corner_fans(mesh.faces, counts[edge_of_side] == 2)
    corners = mesh.faces.reshape(-1)
    fan_ids, which = torch.unique(fans, return_inverse=True)
    if len(fan_ids) == len(torch.unique(corners)):
        return mesh
    first = torch.zeros(len(fan_ids), dtype=torch.long, device=corners.device).index_copy(0, which, corners)
    return Mesh(mesh.vertices[first], which.reshape(-1, 3))
