"""Rays, texture lookups and images, on meshes small enough to know the answer."""

import pytest
import torch
import trimesh
from analytic import cube, scaled, together
from splatdream.cameras.batch import orbit_cameras
from splatdream.meshing.mesh import Mesh
from splatdream.texture.mesh_rendering import lambert, linear_to_srgb, paint, rasterize, srgb_to_linear
from splatdream.texture.ray_casting import RayCaster
from splatdream.texture.textured_mesh import UvLayout, sample_texture

pytest.importorskip("embreex")


@pytest.fixture(params=["embree", "warp"])
def tracer(request):
    if request.param == "warp":
        pytest.importorskip("warp", reason="warp-lang is not installed")
    return request.param


def wall(half: float = 1.0) -> tuple[Mesh, UvLayout]:
    """A square in the plane x = 0 that faces +x; the texture is upright for a camera at azimuth 0."""
    vertices = half * torch.tensor([[0.0, -1, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]])
    uvs = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    return Mesh(vertices, faces), UvLayout(uvs, faces)


def filling_camera(size: int):
    """Sees exactly the square of `wall`."""
    return orbit_cameras([0.0], [0.0], distance=1.0, fovy_deg=90.0, width=size, height=size)


def test_barycentrics_weigh_the_corners_in_their_order(generator, tracer):
    triangle = Mesh(torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 3, 0]]), torch.tensor([[0, 1, 2]]))
    weights = torch.rand(100, 3, generator=generator) + 0.05
    weights = weights / weights.sum(1, keepdim=True)
    points = weights @ triangle.vertices
    direction = torch.tensor([0.1, -0.2, -2.0])
    hits = RayCaster(triangle, tracer).cast(points - 1.5 * direction, direction.expand(100, 3))
    assert hits.is_hit.all()
    torch.testing.assert_close(hits.barycentrics, weights, rtol=0, atol=1e-5)
    # In lengths of the direction, which is not a unit vector.
    torch.testing.assert_close(hits.distances, torch.full((100,), 1.5), rtol=1e-5, atol=0)


def test_rays_that_miss_say_so(tracer):
    hits = RayCaster(cube(), tracer).cast(torch.tensor([[2.0, 2, 2]]), torch.tensor([[1.0, 0, 0]]))
    assert hits.face_ids.tolist() == [-1]
    assert hits.distances.isinf().all() and not hits.barycentrics.any()


def test_the_nearest_of_many_faces_is_hit_from_both_sides(tracer):
    caster = RayCaster(together(scaled(cube(), 4.0, -2.0), cube()), tracer)
    origins = torch.tensor([[5.0, 0.3, 0.4], [0.5, 0.3, 0.4]])
    hits = caster.cast(origins, torch.tensor([[-1.0, 0, 0], [-1.0, 0, 0]]))
    torch.testing.assert_close(hits.distances, torch.tensor([3.0, 0.5]))


def test_only_what_lies_between_two_points_blocks(tracer):
    starts = torch.tensor([[-1.0, 0.5, 0.4], [-1.0, 0.5, 0.4], [0.5, 0.5, 0.4]])
    ends = torch.tensor([[-0.1, 0.5, 0.4], [2.0, 0.5, 0.4], [0.6, 0.5, 0.4]])
    assert RayCaster(cube(), tracer).is_blocked(starts, ends).tolist() == [False, True, False]


def test_both_tracers_hit_the_same(generator):
    pytest.importorskip("warp", reason="warp-lang is not installed")
    ball = trimesh.creation.icosphere(subdivisions=3)
    mesh = Mesh(torch.tensor(ball.vertices, dtype=torch.float32), torch.tensor(ball.faces))
    origins = 3 * torch.nn.functional.normalize(torch.randn(5000, 3, generator=generator), dim=1)
    directions = 3 * torch.rand(5000, 3, generator=generator) - 1.5 - origins
    ends = origins + 2 * torch.rand(5000, 1, generator=generator) * directions
    one, other = (RayCaster(mesh, name) for name in ("embree", "warp"))
    hits, others = one.cast(origins, directions), other.cast(origins, directions)
    assert hits.is_hit.any() and not hits.is_hit.all()
    is_same = hits.face_ids == others.face_ids
    # Rays that meet an edge may be said to hit either of its faces.
    assert is_same.float().mean() > 0.999
    torch.testing.assert_close(hits.barycentrics[is_same], others.barycentrics[is_same], rtol=0, atol=1e-4)
    torch.testing.assert_close(hits.distances[is_same], others.distances[is_same], rtol=1e-5, atol=0)
    assert (one.is_blocked(origins, ends) == other.is_blocked(origins, ends)).float().mean() > 0.999


def test_a_tracer_that_does_not_exist_is_one_sentence():
    with pytest.raises(ValueError, match="'optix' is not one of auto, embree, warp"):
        RayCaster(cube(), "optix")


def test_an_empty_mesh_is_one_sentence():
    with pytest.raises(ValueError, match="no faces"):
        RayCaster(Mesh(cube().vertices, cube().faces[:0]))


def test_texture_places_count_from_the_bottom_left_corner():
    texture = torch.arange(12.0).reshape(3, 4, 1)  # rows from the top
    centers = torch.tensor([[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [1.5 / 4, 1.5 / 3]])
    assert sample_texture(texture, centers)[:, 0].tolist() == pytest.approx([8.0, 3.0, 5.0], abs=1e-5)
    between = torch.tensor([[1.0 / 4, 0.5 / 3]])
    assert sample_texture(texture, between).item() == pytest.approx(8.5, abs=1e-5)


def test_a_wall_shows_its_texture_pixel_by_pixel(generator):
    mesh, layout = wall()
    texture = torch.rand(16, 16, 3, generator=generator)
    fragments = rasterize(RayCaster(mesh), filling_camera(16), supersampling=1)
    image = paint(fragments, layout, texture, torch.zeros(1, 3))
    torch.testing.assert_close(image[0], texture, rtol=0, atol=1e-4)


def test_supersampling_blends_the_outline_with_the_background():
    mesh, layout = wall(half=0.5)
    camera = filling_camera(6)  # the square ends in the middle of a pixel
    fragments = rasterize(RayCaster(mesh), camera, supersampling=4)
    image = paint(fragments, layout, torch.zeros(4, 4, 3), torch.ones(1, 3))
    alpha = fragments.alphas[0, :, :, 0]
    assert alpha[3, 1].item() == pytest.approx(0.5) and alpha[1, 1].item() == pytest.approx(0.25)
    torch.testing.assert_close(image[0, :, :, 0], 1 - alpha)


def test_the_gradient_to_the_texture_is_the_change_of_the_image(generator):
    # Images are linear in the texture: <d loss / d texture, change> must be the change of the loss, exactly.
    mesh, layout = wall()
    camera = orbit_cameras([20.0], [30.0], distance=3.0, width=12, height=12)
    fragments = rasterize(RayCaster(mesh), camera)
    texture = torch.rand(8, 8, 3, generator=generator).requires_grad_()
    weights = torch.rand(1, 12, 12, 3, generator=generator)
    loss = (weights * paint(fragments, layout, texture, torch.ones(1, 3))).sum()
    loss.backward()
    change = torch.rand(8, 8, 3, generator=generator)
    moved = (weights * paint(fragments, layout, texture.detach() + change, torch.ones(1, 3))).sum()
    assert (texture.grad * change).sum().item() == pytest.approx((moved - loss).item(), rel=1e-4)


def test_shading_carries_a_gradient_to_the_vertices():
    mesh, layout = wall()
    vertices = mesh.vertices.clone().requires_grad_()
    fragments = rasterize(RayCaster(mesh), filling_camera(8))
    light = torch.tensor([1.0, 0.5, 0.0])

    def brightness(vertices):
        shading = lambert(fragments, Mesh(vertices, mesh.faces), light)
        return paint(fragments, layout, torch.full((4, 4, 3), 0.5), torch.zeros(1, 3), shading).mean()

    brightness(vertices).backward()
    step = 1e-3 * vertices.grad / vertices.grad.norm()
    change = brightness(mesh.vertices + step) - brightness(mesh.vertices - step)
    assert change.item() == pytest.approx(2e-3 * vertices.grad.norm().item(), rel=0.05)


def test_light_adds_up_in_linear_colors():
    # IEC 61966-2-1: half of the code values is about a fifth of the light.
    assert srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.21404, abs=1e-5)
    codes = torch.linspace(0, 1, 101)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(codes)), codes, rtol=0, atol=1e-5)
    mesh, layout = wall()
    fragments = rasterize(RayCaster(mesh), filling_camera(4))
    half_lit = torch.full((len(fragments.rays), 1), 0.5)
    image = paint(fragments, layout, torch.ones(4, 4, 3), torch.zeros(1, 3), half_lit)
    assert image.mean().item() == pytest.approx(0.73536, abs=1e-4)  # the code of half of the light
