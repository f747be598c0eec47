"""Scenes as triangles: the true geometry that results are compared with.

V vertices, F faces.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from .primitives import KINDS
from .scene import Scene


@dataclass(frozen=True)
class SceneMesh:
    """One closed, outward facing piece for each primitive; pieces overlap where primitives do."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    vertex_colors: Float[np.ndarray, "V 3"]
    """Paint in [0, 1], without light."""
    face_primitives: Int[np.ndarray, "F"]
    """Row of the scene that each face belongs to."""


def scene_mesh(scene: Scene, resolution: int = 32) -> SceneMesh:
    """The scene's primitives as triangles; round ones get `resolution` segments round their axis."""
    if resolution < 3:
        raise ValueError(f"resolution {resolution} must be at least 3 segments")
    pieces = [
        _unit_mesh(KINDS[kind], taper, resolution)
        for kind, taper in zip(scene.kinds, scene.tapers.tolist(), strict=True)
    ]
    counts = [len(vertices) for vertices, _ in pieces]
    owners = torch.repeat_interleave(torch.tensor(counts))
    local = torch.from_numpy(np.concatenate([vertices for vertices, _ in pieces])).to(scene.centers)
    stretched = local * scene.half_sizes[owners]
    world = torch.einsum("nij,nj->ni", scene.rotations[owners], stretched) + scene.centers[owners]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return SceneMesh(
        vertices=world.double().numpy(),
        faces=np.concatenate([faces + start for (_, faces), start in zip(pieces, starts, strict=True)]),
        vertex_colors=scene.colors_at(owners, local).double().numpy(),
        face_primitives=np.concatenate([np.full(len(faces), i) for i, (_, faces) in enumerate(pieces)]),
    )


def is_hidden(
    scene: Scene, points: Float[torch.Tensor, "N 3"], primitives: Int[torch.Tensor, "N"]
) -> Bool[torch.Tensor, "N"]:
    """True for a point on the surface of its primitive that lies inside another one, where nobody sees it."""
    inside = scene.contains_each(points)
    inside[torch.arange(len(points)), primitives] = False
    return inside.any(dim=1)


def _unit_mesh(kind: str, taper: float, resolution: int) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    if kind == "box":
        return _unit_cube(max(1, resolution // 4))
    half_rings = max(2, resolution // 2)
    if kind == "ellipsoid":
        polar = np.linspace(-np.pi / 2, np.pi / 2, half_rings + 1)[1:-1]
        return _lathe(np.cos(polar), np.sin(polar), resolution)
    heights = np.linspace(-1, 1, half_rings)
    if taper == 0:
        heights = heights[:-1]  # the pole is the tip
    return _lathe(0.5 * (1 + taper) + 0.5 * (taper - 1) * heights, heights, resolution)


def _lathe(
    radii: Float[np.ndarray, "R"], heights: Float[np.ndarray, "R"], segments: int
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Rings of vertices from bottom to top, joined to each other and to the poles z = -1 and z = 1."""
    angles = 2 * np.pi * np.arange(segments) / segments
    rings = np.stack(
        [
            radii[:, None] * np.cos(angles),
            radii[:, None] * np.sin(angles),
            np.broadcast_to(heights[:, None], (len(radii), segments)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    vertices = np.concatenate([rings, [[0, 0, -1], [0, 0, 1]]])
    bottom, top = len(rings), len(rings) + 1
    here = np.arange(segments)
    beside = (here + 1) % segments
    faces = [np.stack([np.full(segments, bottom), beside, here], axis=1)]
    for ring in range(len(radii) - 1):
        a, b = here + ring * segments, beside + ring * segments
        c, d = a + segments, b + segments
        faces += [np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)]
    last = (len(radii) - 1) * segments
    faces.append(np.stack([np.full(segments, top), here + last, beside + last], axis=1))
    return vertices, np.concatenate(faces)


def _unit_cube(cells: int) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """[-1, 1]^3; each side has its own grid of vertices, so that edges stay sharp."""
    ticks = np.linspace(-1, 1, cells + 1)
    u, v = (grid.reshape(-1) for grid in np.meshgrid(ticks, ticks, indexing="ij"))
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).reshape(-1)
    along_v, along_u, across = corner + 1, corner + cells + 1, corner + cells + 2
    faces = np.concatenate([np.stack([corner, along_u, across], axis=1), np.stack([corner, across, along_v], axis=1)])
    all_vertices, all_faces = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            side = np.empty((len(u), 3))
            # u, v and the axis turn right-handed, so that the faces look outward on the positive side.
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign, u, v
            start = sum(len(vertices) for vertices in all_vertices)
            all_faces.append((faces if sign > 0 else faces[:, ::-1]) + start)
            all_vertices.append(side)
    return np.concatenate(all_vertices), np.concatenate(all_faces)
