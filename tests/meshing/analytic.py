"""Clouds and meshes whose surfaces are known."""

import math

import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.initialization import from_points
from splatdream.meshing.mesh import Mesh


def fibonacci_sphere(num_points: int) -> torch.Tensor:
    """Nearly even points on the unit sphere."""
    index = torch.arange(num_points) + 0.5
    angle, z = math.pi * (1 + 5**0.5) * index, 1 - 2 * index / num_points
    radius = (1 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=1)


def sphere_cloud(num_points: int = 1500, radius: float = 0.5, scale: float = 0.03) -> GaussianCloud:
    points = fibonacci_sphere(num_points)
    return from_points(radius * points, 0.5 + 0.4 * points, opacity=0.9, scale=scale)


def box_cloud(num_points: int = 20, half: float = 0.4) -> GaussianCloud:
    """A solid cube of Gaussians on a grid."""
    ticks = torch.linspace(-half, half, num_points)
    points = torch.cartesian_prod(ticks, ticks, ticks)
    spacing = 2 * half / (num_points - 1)
    return from_points(points, torch.full_like(points, 0.5), opacity=0.9, scale=0.6 * spacing)


def tetrahedron() -> Mesh:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return Mesh(vertices, torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


def cube() -> Mesh:
    """[0, 1]^3, 12 faces."""
    vertices = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return Mesh(vertices, torch.tensor(faces))


def together(*meshes: Mesh) -> Mesh:
    offsets = [sum(len(mesh.vertices) for mesh in meshes[:i]) for i in range(len(meshes))]
    faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
    return Mesh(torch.cat([mesh.vertices for mesh in meshes]), torch.cat(faces))


def turned_inside_out(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces.flip(1))


def scaled(mesh: Mesh, factor: float, offset: float = 0.0) -> Mesh:
    return Mesh(mesh.vertices * factor + offset, mesh.faces)
