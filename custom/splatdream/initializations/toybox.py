"""The toybox's object of a prompt as a start: what a perfect 3D generator would give."""

import torch

from ..meshing.comparison import sample_surface
from ..meshing.mesh import Mesh
from ..toybox.mesh import is_hidden, scene_mesh
from ..toybox.objects import build_scene
from .surface import SurfacePoints

_SEGMENTS = 64
# Most objects hide less than half of their surface inside themselves.
_DRAWN_PER_KEPT = 4


def from_toybox(caption: str, num_points: int, generator: torch.Generator) -> SurfacePoints:
    """Points drawn evenly from what can be seen of the object, in its paint, without light.

    Raises:
        ValueError: the caption is not the toybox's; the message lists the vocabulary.
    """
    scene = build_scene(caption)
    pieces = scene_mesh(scene, _SEGMENTS)
    mesh = Mesh(torch.from_numpy(pieces.vertices).float(), torch.from_numpy(pieces.faces).long())
    samples = sample_surface(mesh, _DRAWN_PER_KEPT * num_points, generator)
    owners = torch.from_numpy(pieces.face_primitives).long()[samples.face_ids]
    kept = torch.nonzero(~is_hidden(scene, samples.points, owners))[:num_points, 0]
    points, owners = samples.points[kept], owners[kept]
    local = torch.einsum("nij,nj->ni", scene.world_to_local[owners], points - scene.centers[owners])
    return SurfacePoints(points, scene.colors_at(owners, local), samples.normals[kept])
