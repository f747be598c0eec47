"""Points drawn from meshes: on the surface, with its colors and normals, whatever kind of paint the file has."""

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from splatdream.gaussians.rotations import quat_to_matrix
from splatdream.gaussians.spherical_harmonics import sh0_to_rgb
from splatdream.initializations.growth import GrowthConfig, grown
from splatdream.initializations.registry import Beginning, initial_cloud
from splatdream.initializations.surface import SurfacePoints

SIDES = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]]


def box_with_a_color_a_side(**visual) -> trimesh.Trimesh:
    """glTF axes: sides at x = -1, 1, y = -2, 2, z = -3, 3, each with four vertices of its own."""
    box = trimesh.creation.box((2, 4, 6))
    box.unmerge_vertices()
    sides = np.abs(box.face_normals).argmax(1) * 2 + (box.face_normals.sum(1) > 0)
    colors = np.asarray(SIDES)[sides].repeat(3, axis=0)
    return trimesh.Trimesh(box.vertices, box.faces, vertex_colors=colors, process=False)


def expected_color(points: torch.Tensor) -> torch.Tensor:
    """By the side that a point of the world lies on: world (x, y, z) is glTF (y, z, x)."""
    relative = points[:, [1, 2, 0]] / torch.tensor([1.0, 2.0, 3.0])
    axis = relative.abs().argmax(dim=1)
    sign = relative.gather(1, axis[:, None])[:, 0] > 0
    return torch.tensor(SIDES)[axis * 2 + sign] / 255


@pytest.mark.parametrize("kind", ["vertex colors.glb", "vertex colors.obj", "texture.glb"])
def test_points_lie_on_the_surface_with_its_color_and_normal(kind, tmp_path):
    box = box_with_a_color_a_side()
    if kind.startswith("texture"):
        # One column of the texture a side; every corner of a side looks at the middle of its column.
        image = Image.fromarray(np.asarray([SIDES], np.uint8).repeat(4, axis=0).repeat(4, axis=1))
        sides = np.abs(box.vertex_normals).argmax(1) * 2 + (box.vertex_normals.sum(1) > 0)
        uvs = np.stack([(sides + 0.5) / 6, np.full(len(sides), 0.5)], axis=1)
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)
        box.visual = trimesh.visual.TextureVisuals(uv=uvs, material=material)
    path = tmp_path / kind
    box.export(path)
    cloud = initial_cloud(Beginning(str(path), num_points=600, opacity=0.7, flatness=0.2))
    relative = cloud.means[:, [1, 2, 0]] / torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(relative.abs().amax(1), torch.ones(600))
    torch.testing.assert_close(sh0_to_rgb(cloud.sh0[:, 0]), expected_color(cloud.means), atol=5e-3, rtol=0)
    normals = quat_to_matrix(cloud.quats)[:, :, 2][:, [1, 2, 0]]
    on_side = torch.nn.functional.one_hot(relative.abs().argmax(1), 3) * relative.sign()
    torch.testing.assert_close(normals, on_side, atol=1e-5, rtol=0)
    torch.testing.assert_close(cloud.scales[:, 2], 0.2 * cloud.scales[:, 0])
    # Even by area: the sides of 4 x 6 hold 48 of 88 parts of it; three standard deviations.
    share = (on_side[:, 0] != 0).float().mean().item()
    assert share == pytest.approx(48 / 88, abs=3 * (48 / 88 * 40 / 88 / 600) ** 0.5)


def test_a_mesh_without_paint_gets_the_color_that_was_asked_for(tmp_path):
    path = tmp_path / "bare.stl"
    trimesh.creation.box((1, 1, 1)).export(path)
    cloud = initial_cloud(Beginning(str(path), num_points=5, color=(0.25, 0.5, 1.0)))
    torch.testing.assert_close(sh0_to_rgb(cloud.sh0[:, 0]), torch.tensor([[0.25, 0.5, 1.0]]).repeat(5, 1))


def test_colors_can_be_left_behind(tmp_path):
    path = tmp_path / "box.glb"
    box_with_a_color_a_side().export(path)
    cloud = initial_cloud(Beginning(str(path), num_points=5, keeps_colors=False))
    torch.testing.assert_close(cloud.sh0, torch.zeros(5, 1, 3), atol=1e-6, rtol=0)


def test_a_glb_without_faces_says_so(tmp_path):
    path = tmp_path / "points.glb"
    trimesh.Scene([trimesh.PointCloud(np.eye(3))]).export(path)
    with pytest.raises(ValueError, match=r"points\.glb.*no faces"):
        initial_cloud(Beginning(str(path)))


def test_points_grow_where_the_surface_is_near(generator):
    # A dense square at the bottom of a box of height 1: the candidates up to 0.05 above it are 5 % of all.
    ticks = torch.linspace(0, 1, 61)
    square = torch.cartesian_prod(ticks, ticks, torch.zeros(1))
    points = torch.cat([square, torch.tensor([[0.5, 0.5, 1.0]])])
    colors = torch.full_like(points, 0.9)
    start = SurfacePoints(points, colors)
    result = grown(start, GrowthConfig(candidates=10_000, distance=0.05, color_shift=0.2), generator)
    new = slice(len(points), None)
    assert len(result.points[new]) / 10_000 == pytest.approx(0.05, rel=0.1)
    assert torch.cdist(result.points[new], points).amin(1).max() <= 0.05
    assert torch.equal(result.points[: len(points)], points) and torch.equal(result.colors[: len(points)], colors)
    shifts = result.colors[new] - 0.9
    assert shifts.min() >= -1e-6 and result.colors.max() == 1
    # Shifts are even from 0 to 0.2; what passes 1 is cut off, so half of them are.
    assert (result.colors[new] == 1).float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_the_nearness_is_a_share_of_the_box_and_scales_with_it():
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(1))
    config = GrowthConfig(candidates=2000, distance=0.03)
    small, large = (
        grown(SurfacePoints(scale * points), config, torch.Generator().manual_seed(0)).points for scale in (1.0, 8.0)
    )
    torch.testing.assert_close(8 * small, large)


def test_negative_growth_is_refused(generator):
    with pytest.raises(ValueError, match="must not be negative"):
        grown(SurfacePoints(torch.eye(3)), GrowthConfig(candidates=10, distance=-0.1), generator)
