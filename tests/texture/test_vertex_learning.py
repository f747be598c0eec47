"""Vertices that are learned through shading find a shape that is known."""

import math

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.host import BaseMaterial, find
from splatdream.meshing.mesh import Mesh
from splatdream.startup.registration import register_all
from splatdream.texture.mesh_files import write_glb
from splatdream.texture.textured_mesh import TexturedMesh, UvLayout

pytest.importorskip("embreex")
pytest.importorskip("trimesh")

SIDE = 7
HEIGHT = 0.06
LIGHTS = ([1.0, 1.5, 0.0], [1.0, -0.75, 1.3], [1.0, -0.75, -1.3])


def sheet() -> Mesh:
    """A square of SIDE x SIDE vertices that faces +x, from -1 to 1 along y and z."""
    steps = torch.linspace(-1, 1, SIDE)
    y, z = torch.meshgrid(steps, steps, indexing="ij")
    rows = torch.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    a, b, c, d = rows[:-1, :-1], rows[1:, :-1], rows[1:, 1:], rows[:-1, 1:]
    faces = torch.cat([torch.stack([a, b, c], -1).reshape(-1, 3), torch.stack([a, c, d], -1).reshape(-1, 3)])
    return Mesh(torch.stack([torch.zeros_like(y), y, z], dim=-1).reshape(-1, 3), faces)


def bump(places: torch.Tensor) -> torch.Tensor:
    """Height over (y, z) in [-1, 1], flat at the border."""
    return HEIGHT * (torch.cos(0.5 * math.pi * places.clamp(-1, 1)) ** 2).prod(dim=1)


def geometry_of(mesh: Mesh, folder) -> object:
    layout = UvLayout(0.5 * mesh.vertices[:, 1:] + 0.5, mesh.faces)
    path = write_glb(folder / "sheet.glb", TexturedMesh(mesh, layout, torch.full((8, 8, 3), 0.7)))
    return find("splatdream-textured-mesh")({"source": str(path), "learn_vertices": True, "vertex_lr": 3e-3})


def renderers(geometry: object) -> list:
    background = find("splatdream-background")({"random_probability": 0.0})
    parts = {"geometry": geometry, "material": BaseMaterial({}), "background": background}
    make = find("splatdream-mesh-renderer")
    return [make({"shading": "lambert", "light_direction": light, "ambient": 0.1}, **parts) for light in LIGHTS]


def test_a_known_bump_is_recovered_from_its_shading(tmp_path):
    register_all()
    batch = orbit_cameras([0.0], [0.0], distance=2.5, fovy_deg=40.0, width=32, height=32).to_batch()
    geometry = geometry_of(sheet(), tmp_path)
    with torch.no_grad():
        geometry.vertex_offsets[:, 0] = bump(geometry.vertices[:, 1:])
        targets = [renderer(**batch)["comp_rgb"] for renderer in renderers(geometry)]
        geometry.vertex_offsets.zero_()
    learners = renderers(geometry)
    optimizer = torch.optim.Adam([{"params": [geometry.params()["vertex_offsets"]], "lr": 3e-3}])
    losses = []
    for _ in range(80):
        images = [renderer(**batch)["comp_rgb"] for renderer in learners]
        loss = sum((image - target).square().mean() for image, target in zip(images, targets, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    found = geometry.textured_mesh().mesh.vertices.detach()
    true = bump(found[:, 1:])
    # Shading sees slopes: where the whole sheet lies along the view, it does not.
    error = (found[:, 0] - found[:, 0].mean()) - (true - true.mean())
    assert losses[-1] < 0.02 * losses[0]
    assert error.std() < 0.15 * true.std()
