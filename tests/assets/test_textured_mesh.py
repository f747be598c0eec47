"""A textured mesh under optimization, without a run round it."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from splatdream.assets.textured_mesh import TexturedMeshGeometry
from splatdream.meshing.mesh import Mesh
from splatdream.texture.textured_mesh import TexturedMesh, UvLayout


@pytest.fixture
def geometry() -> TexturedMeshGeometry:
    vertices = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [0, 0.2, 0], [0, 0, 0.9]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    uvs = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    textured = TexturedMesh(Mesh(vertices, faces), UvLayout(uvs, faces), torch.full((8, 8, 3), 0.5))
    return TexturedMeshGeometry.create_from(SimpleNamespace(textured_mesh=lambda: textured), {})


def test_colors_are_kept_between_0_and_1_after_a_step(geometry):
    with torch.no_grad():
        geometry.texture[0, 0] = torch.tensor([-0.5, 0.25, 1.5])
    geometry.after_step()
    assert geometry.texture[0, 0].tolist() == [0.0, 0.25, 1.0]


def test_it_says_how_large_it_is_and_takes_no_densification(geometry):
    assert geometry.sizes() == {"faces": 4}
    assert geometry.refinement({}, seed=0) is None
    with pytest.raises(ValueError, match=r"system\.densification is not read"):
        geometry.refinement({"refine_every": 5}, seed=0)


def test_a_live_view_shows_it_upright(geometry):
    trimesh = pytest.importorskip("trimesh")
    shown = {}
    geometry.draw(SimpleNamespace(add_glb=lambda name, data, wxyz: shown.update(data=data, wxyz=wxyz)))
    vertices = np.asarray(trimesh.load(io.BytesIO(shown["data"]), file_type="glb", force="mesh").vertices)
    turned = vertices @ trimesh.transformations.quaternion_matrix(shown["wxyz"])[:3, :3].T
    # The tallest side stays along the world's z.
    np.testing.assert_allclose(turned.max(axis=0), [0.1, 0.2, 0.9], atol=1e-6)
