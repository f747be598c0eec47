"""Holes in an open mesh: their borders, and fans that close them.

V vertices, F faces.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from .mesh import Mesh, directed_edges, unique_edges


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
