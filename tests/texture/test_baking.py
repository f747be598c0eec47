"""Unwrapping, baking, seams: what is seen is what ends up in the texture."""

import pytest
import torch
from analytic import cube, scaled, sphere_cloud, together
from splatdream.cameras.batch import orbit_cameras
from splatdream.losses.regularizers import total_variation_in_charts
from splatdream.meshing.extraction import ExtractionOptions, extract_mesh
from splatdream.meshing.mesh import Mesh
from splatdream.texture.baking import Photographs, bake, project
from splatdream.texture.finishing import close_seams, fill_between_charts, find_seams, inpaint, measure_seams
from splatdream.texture.mesh_rendering import paint, rasterize
from splatdream.texture.ray_casting import RayCaster
from splatdream.texture.texels import map_texels
from splatdream.texture.textured_mesh import UvLayout, sample_texture
from splatdream.texture.unwrap import MAX_FACES, unwrap
from splatdream.texture.viewpoints import crop_cameras, surrounding_cameras

pytest.importorskip("embreex")
pytest.importorskip("xatlas")

SIZE = 128


@pytest.fixture(scope="module")
def ball() -> Mesh:
    return extract_mesh(sphere_cloud(600, scale=0.05), ExtractionOptions(resolution=32, target_faces=800)).mesh


@pytest.fixture(scope="module")
def unwrapped(ball):
    return unwrap(ball, SIZE)


def position_colors(points: torch.Tensor) -> torch.Tensor:
    """A smooth coloring of space."""
    return 0.5 + 0.45 * torch.sin(3 * points)


def test_charts_do_not_overlap_and_every_face_has_a_place(ball, unwrapped):
    layout = unwrapped.layout
    assert layout.uv_faces.shape == ball.faces.shape
    assert layout.uvs.min() >= 0 and layout.uvs.max() <= 1
    a, b, c = layout.corners.unbind(1)
    areas = 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]).abs()
    assert (areas > 0).all()
    # Were charts to overlap, the texels that they cover would be fewer than their areas add up to.
    covered = map_texels(layout, 256, 256).is_inside.sum().item() / 256**2
    assert covered == pytest.approx(areas.sum().item(), rel=0.03)
    assert unwrapped.num_charts >= 1 and unwrapped.used_share == pytest.approx(areas.sum().item(), rel=1e-4)


def test_unwrapping_is_deterministic(ball, unwrapped):
    torch.testing.assert_close(unwrap(ball, SIZE).layout.uvs, unwrapped.layout.uvs, rtol=0, atol=0)


def test_too_many_faces_are_one_sentence():
    mesh = cube()
    with pytest.raises(ValueError, match="decimate first"):
        unwrap(Mesh(mesh.vertices, mesh.faces.repeat(MAX_FACES // 12 + 1, 1)), SIZE)


def test_texels_know_their_place_on_the_surface(ball, unwrapped):
    texels = map_texels(unwrapped.layout, SIZE, SIZE)
    texture = texels.image(position_colors(texels.at_texels(ball.corners)))
    middles = torch.full((len(ball.faces), 3, 1), 1 / 3)
    uvs = (unwrapped.layout.corners * middles).sum(1)
    points = (ball.corners * middles).sum(1)
    torch.testing.assert_close(sample_texture(texture, uvs), position_colors(points), rtol=0, atol=0.03)


def painted_ball(ball, unwrapped):
    texels = map_texels(unwrapped.layout, SIZE, SIZE)
    true = fill_between_charts(texels.image(position_colors(texels.at_texels(ball.corners))), texels.covered())
    return texels, true


def photographs_of(mesh, layout, texture, cameras) -> Photographs:
    fragments = rasterize(RayCaster(mesh), cameras)
    return Photographs(cameras, paint(fragments, layout, texture, torch.zeros(len(cameras), 3)), fragments.alphas)


def test_what_is_photographed_is_what_is_baked(ball, unwrapped):
    texels, true = painted_ball(ball, unwrapped)
    cameras = surrounding_cameras(ball, 20, 128)
    photographs = photographs_of(ball, unwrapped.layout, true, cameras)
    baked = bake(photographs, ball, texels, RayCaster(ball))
    error = (baked.texture - true).abs()[texels.covered()]
    assert error.mean() < 0.01
    assert baked.seen_share > 0.999


def test_what_is_hidden_is_not_painted_with_what_hides_it():
    # A small cube before a large one; one camera sees the small one only, and part of the large one's side.
    mesh = together(
        scaled(cube(), 2.0, -1.0), Mesh(0.4 * cube().vertices + torch.tensor([2.0, -0.2, -0.2]), cube().faces)
    )
    layout = unwrap(mesh, SIZE).layout
    texels = map_texels(layout, SIZE, SIZE)
    cameras = orbit_cameras([0.0], [0.0], distance=6.0, width=128, height=128)
    is_small = texels.face_ids >= 12
    colors = torch.where(is_small[:, None], torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1.0]))
    true = fill_between_charts(texels.image(colors), texels.covered())
    baked = bake(photographs_of(mesh, layout, true, cameras), mesh, texels, RayCaster(mesh))
    on_large = baked.texture.reshape(-1, 3)[texels.texels[~is_small & texels.is_inside]]
    # What is within a pixel of the outline is seen by this one camera only as a mixture.
    assert (on_large[:, 0] < 0.1).float().mean() > 0.97
    assert baked.seen_share < 0.5


def test_unseen_places_take_the_color_of_their_neighbors_in_space():
    points = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [5.0, 0, 0], [5.1, 0, 0]])
    colors = torch.tensor([[0.2], [9.0], [0.8], [9.0]])
    filled = inpaint(colors, points, torch.tensor([True, False, True, False]))
    assert filled[:, 0].tolist() == pytest.approx([0.2, 0.2, 0.8, 0.8], abs=0.01)
    with pytest.raises(ValueError, match="no view sees"):
        inpaint(colors, points, torch.zeros(4, dtype=torch.bool))


def test_padding_repeats_the_nearest_painted_texel():
    texture = torch.zeros(4, 5, 1)
    texture[1, 1], texture[2, 4] = 0.3, 0.7
    painted = torch.zeros(4, 5, dtype=torch.bool)
    painted[1, 1] = painted[2, 4] = True
    filled = fill_between_charts(texture, painted)[..., 0]
    assert filled[0, 0].item() == pytest.approx(0.3) and filled[3, 4].item() == pytest.approx(0.7)
    assert set(filled.unique().tolist()) == {texture[1, 1].item(), texture[2, 4].item()}


def two_charts() -> tuple[torch.Tensor, UvLayout]:
    """Two triangles that share an edge, apart in the texture: left half and right half."""
    faces = torch.tensor([[0, 1, 2], [1, 0, 3]])
    uvs = torch.tensor([[0.4, 0.2], [0.4, 0.8], [0.1, 0.5], [0.6, 0.8], [0.6, 0.2], [0.9, 0.5]])
    return faces, UvLayout(uvs, torch.tensor([[0, 1, 2], [3, 4, 5]]))


def test_a_seam_is_measured_and_closed():
    faces, layout = two_charts()
    seams = find_seams(faces, layout)
    texture = torch.zeros(32, 32, 3)
    texture[:, 16:] = 0.2
    report = measure_seams(texture, seams)
    assert report.num_edges == 1
    assert report.mean_difference == pytest.approx(0.2 * 255, rel=1e-3)
    closed = close_seams(texture, seams)
    assert measure_seams(closed, seams).mean_difference < 0.03 * report.mean_difference
    # Far from the border nothing moves.
    torch.testing.assert_close(closed[:, :4], texture[:, :4])
    torch.testing.assert_close(closed[:, -4:], texture[:, -4:])


def test_the_inside_of_a_chart_has_no_seam(ball):
    one_chart = UvLayout(ball.vertices[:, :2] + 0.5, ball.faces)
    assert len(find_seams(ball.faces, one_chart).left) == 0
    assert measure_seams(torch.rand(8, 8, 3), find_seams(ball.faces, one_chart)).mean_difference == 0.0


def test_baked_borders_are_invisible(ball, unwrapped):
    _, true = painted_ball(ball, unwrapped)
    seams = find_seams(ball.faces, unwrapped.layout)
    before, after = measure_seams(true, seams), measure_seams(close_seams(true, seams), seams)
    assert after.mean_difference < 0.5 and after.worst_difference < 2.0
    assert after.mean_difference <= before.mean_difference


def test_total_variation_counts_neighbors_within_charts_only():
    ramp = torch.arange(6.0)[None, :, None].expand(4, 6, 1) * 0.1
    everything = torch.ones(4, 6, dtype=torch.bool)
    # 20 steps of 0.1 along the rows, 18 of 0 along the columns.
    assert total_variation_in_charts(ramp, everything).item() == pytest.approx(20 * 0.01 / 38, rel=1e-4)
    jump = torch.cat([torch.zeros(4, 3, 1), torch.ones(4, 3, 1)], dim=1)
    apart = everything.clone()
    apart[:, 2] = False
    assert total_variation_in_charts(jump, apart).item() == 0.0


def test_surrounding_cameras_have_all_of_the_mesh_in_view(ball):
    moved = Mesh(2 * ball.vertices + torch.tensor([3.0, -1.0, 0.5]), ball.faces)
    cameras = surrounding_cameras(moved, 16, 64)
    for view in range(len(cameras)):
        places, is_in_image = project(moved.vertices, cameras[view : view + 1])
        assert is_in_image.all()
        assert (places.amax(0) - places.amin(0)).max() > 40
    with pytest.raises(ValueError, match="at least 6"):
        surrounding_cameras(ball, 3, 64)


def test_crops_look_at_parts_of_the_image_with_more_pixels(generator):
    cameras = orbit_cameras([10.0] * 20, torch.arange(20) * 18.0, width=64, height=64)
    crops = crop_cameras(cameras, 4.0, 64, generator)
    torch.testing.assert_close(crops.positions, cameras.positions)
    torch.testing.assert_close(torch.tan(crops.fovy_rad / 2), torch.tan(cameras.fovy_rad / 2) / 4)
    for view in range(20):
        ahead = crops.positions[view] - crops.c2w[view, :3, 2]
        place, is_in_image = project(ahead[None], cameras[view : view + 1])
        assert is_in_image.all() and (place >= 8 - 1e-3).all() and (place <= 56 + 1e-3).all()
    same = crop_cameras(cameras, 1.0, 64, generator)
    torch.testing.assert_close(same.c2w, cameras.c2w, rtol=0, atol=1e-5)
