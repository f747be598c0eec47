import numpy as np
import pytest
import torch
from splatdream.toybox.mesh import scene_mesh
from splatdream.toybox.objects import BALL_RADIUS, build_scene
from splatdream.toybox.primitives import Paint, ball, box, ellipsoid, frustum
from splatdream.toybox.scene import pack
from splatdream.toybox.vocabulary import OBJECTS

GRAY = (0.5, 0.5, 0.5)


def _signed_volume(mesh):
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    return (a * np.cross(b, c)).sum() / 6


@pytest.mark.parametrize(
    ("primitive", "volume"),
    [
        (ellipsoid((0.3, 0.1, 0.2), (0.2, 0.3, 0.5), GRAY, axis=(1, 1, 1)), 4 / 3 * np.pi * 0.2 * 0.3 * 0.5),
        (box((0.3, 0.1, 0.2), (0.2, 0.3, 0.5), GRAY, axis=(1, 0, 1)), 8 * 0.2 * 0.3 * 0.5),
        (frustum((0, 0, 0), (0.5, 0.5, 0.5), 0.3, GRAY), np.pi * 0.3**2 * 0.75**0.5),
        (frustum((0, 0, 0), (0, 0, 0.9), 0.3, GRAY, 0.0), np.pi * 0.3**2 * 0.9 / 3),
        (frustum((0, 0, 0), (0, 0, 0.9), 0.4, GRAY, 0.2), np.pi * (0.4**2 + 0.4 * 0.2 + 0.2**2) * 0.9 / 3),
    ],
)
def test_a_primitive_encloses_its_volume_facing_outward(primitive, volume):
    mesh = scene_mesh(pack([primitive]), resolution=96)
    assert _signed_volume(mesh) == pytest.approx(volume, rel=5e-3)


@pytest.mark.parametrize("name", OBJECTS)
def test_every_piece_is_closed(name):
    mesh = scene_mesh(build_scene(f"a red {name}"), resolution=12)
    # Box sides have vertices of their own: join equal ones of one piece first.
    for piece in np.unique(mesh.face_primitives):
        faces = mesh.faces[mesh.face_primitives == piece]
        _, same = np.unique(np.round(mesh.vertices, 9), axis=0, return_inverse=True)
        faces = same.reshape(-1)[faces]
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        forward = {tuple(edge) for edge in edges.tolist()}
        assert len(forward) == len(edges)
        assert forward == {(b, a) for a, b in forward}


def test_vertices_lie_in_the_ball_and_carry_the_paint():
    mesh = scene_mesh(build_scene("a blue robot wearing a red hat"))
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(BALL_RADIUS, abs=4e-3)
    mesh = scene_mesh(pack([ball((0, 0, 0), 1.0, (1.0, 0, 0), Paint((0, 0, 1.0), (0, 0, 1), 0.3))]))
    is_blue = mesh.vertex_colors[:, 2] == 1
    np.testing.assert_array_equal(is_blue, mesh.vertices[:, 2] >= 0.3)


def test_the_inside_test_knows_inside_from_outside():
    scene = pack([box((0, 0, 0), (0.1, 0.2, 0.3), GRAY), frustum((1, 0, 0), (1, 0, 1), 0.5, GRAY, 0.0)])
    points = torch.tensor([[0.09, 0.19, 0.29], [0.11, 0, 0], [1.2, 0, 0.5], [1.3, 0, 0.5], [1, 0, 1.01]])
    assert scene.contains_each(points).any(dim=1).tolist() == [True, False, True, False, False]
