"""How the faces of a mesh hang together: its pieces, the fans round a vertex, the borders of holes; and mending that.

V vertices, F faces, F3 = 3 F corners, K components.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .mesh import Mesh, directed_edges, unique_edges, without_faces


def face_components(mesh: Mesh) -> Int[Tensor, "F"]:
    """The component of each face, 0 to K - 1; faces that share a vertex are connected."""
    labels = _connected(len(mesh.vertices), *directed_edges(mesh.faces).unbind(1))
    return torch.unique(labels[mesh.faces[:, 0]], return_inverse=True)[1]


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


def corner_fans(faces: Int[Tensor, "F 3"], is_linking: Bool[Tensor, "F3"]) -> Int[Tensor, "F3"]:
    """The fan of each corner of each face: corners at one vertex are in one fan when their faces share linking edges.

    Args:
        is_linking: for side k of each face (corner k to corner k + 1), whether it joins the faces on both sides.
    """
    _, edge_of_side, _ = unique_edges(faces)
    corner = torch.arange(faces.numel(), device=faces.device)
    previous_side = corner - corner % 3 + (corner + 2) % 3
    # Each corner lies on two sides of its face; corners at one end of one edge belong together.
    sides = torch.cat([corner, previous_side])
    corners = torch.cat([corner, corner])[is_linking[sides]]
    vertices, sides = faces.reshape(-1)[corners], sides[is_linking[sides]]
    keys, order = (edge_of_side[sides] * (int(faces.max()) + 1) + vertices).sort()
    is_same = keys[1:] == keys[:-1]
    return _connected(len(corner), corners[order][1:][is_same], corners[order][:-1][is_same])


def _connected(count: int, starts: Int[Tensor, "E"], ends: Int[Tensor, "E"]) -> Int[Tensor, "count"]:
    """For each of `count` things a label that is the same for all that links join, directly or over others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = (starts.cpu().numpy(), ends.cpu().numpy())
    graph = coo_array((torch.ones(len(starts)).numpy(), links), shape=(count, count))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long().to(starts.device)


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


def boundary_loops(faces: Int[Tensor, "F 3"]) -> list[list[int]]:
    """Closed chains of vertices along edges that have only one face, in the direction of that face.

    Where borders touch in a vertex, the chain closes there; chains that cannot be closed are left out.
    """
    _, which, counts = unique_edges(faces)
    border = directed_edges(faces)[counts[which] == 1].tolist()
    following: dict[int, list[int]] = {}
    for start, end in border:
        following.setdefault(start, []).append(end)
    loops = []
    for start, _ in border:
        chain, place = [start], {start: 0}
        while following.get(chain[-1]):
            vertex = following[chain[-1]].pop()
            if vertex in place:
                loops.append(chain[place[vertex] :])
                for passed in chain[place[vertex] + 1 :]:
                    del place[passed]
                del chain[place[vertex] + 1 :]
            else:
                place[vertex] = len(chain)
                chain.append(vertex)
    return [loop for loop in loops if len(loop) >= 3]


def fill_holes(mesh: Mesh) -> Mesh:
    """The mesh with a fan of triangles about the middle of every hole's border; a triangular hole gets one triangle."""
    vertices, faces = [mesh.vertices], [mesh.faces]
    next_vertex = len(mesh.vertices)
    for loop in boundary_loops(mesh.faces):
        border = torch.tensor(loop, device=mesh.faces.device)
        # Against the direction of the faces that end here, so that the new ones have the same orientation.
        if len(loop) == 3:
            faces.append(border.flip(0)[None])
            continue
        vertices.append(mesh.vertices[border].mean(0, keepdim=True))
        apex = torch.full_like(border, next_vertex)
        faces.append(torch.stack([border.roll(-1), border, apex], dim=1))
        next_vertex += 1
    return Mesh(torch.cat(vertices), torch.cat(faces))
