import math

import pytest
import torch
from splatdream.cameras.batch import cat, orbit_cameras
from splatdream.toybox.objects import build_scene
from splatdream.toybox.primitives import KINDS, Paint, ball, box, ellipsoid, frustum, limb
from splatdream.toybox.ray_tracer import AMBIENT, LIGHT_DIRECTION, composite, trace, trace_surface
from splatdream.toybox.scene import frustum_radius, pack

GRAY = (0.5, 0.5, 0.5)
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
# Every kind, every orientation, tips, overlaps.
MIXED = [
    ellipsoid((0.1, 0.2, -0.3), (0.4, 0.2, 0.5), RED, axis=(1, 2, 0.5)),
    ball((-0.4, -0.3, 0.3), 0.25, BLUE),
    box((0.3, -0.4, 0.1), (0.3, 0.15, 0.2), GRAY, axis=(0.3, -0.2, 1)),
    frustum((-0.2, 0.5, 0.1), (-0.4, 0.2, 0.8), 0.25, RED, 0.1),
    frustum((0.2, 0.1, 0.3), (0.3, 0.3, 0.9), 0.3, BLUE, 0.0),
    limb((-0.6, 0.0, -0.6), (0.3, -0.6, -0.7), 0.08, GRAY),
]


def _marched_depths(scene, cameras, step=4e-3):
    """Depth along the camera's axis by walking each ray until it is inside something: slow and simple."""
    directions = cameras.ray_directions.reshape(len(cameras), -1, 3)
    forward = -cameras.c2w[:, :3, 2]
    depths = torch.zeros(directions.shape[:2])
    for view in range(len(cameras)):
        for distance in torch.arange(1.2, 3.8, step):
            points = cameras.positions[view] + distance * directions[view]
            is_first = scene.contains_each(points).any(dim=1) & (depths[view] == 0)
            depths[view][is_first] = (distance * (directions[view] @ forward[view]))[is_first]
    return depths.view(len(cameras), cameras.height, cameras.width)


def test_depths_agree_with_marching_through_the_solid():
    scene = pack(MIXED)
    cameras = orbit_cameras([20.0, -10.0, 70.0], [30.0, 140.0, 260.0], width=40, height=32)
    depths, _ = trace_surface(scene, cameras)
    marched = _marched_depths(scene, cameras)
    both = (depths > 0) & (marched > 0)
    assert both.sum() > 500
    # Grazing rays may pass between two steps of the march.
    assert ((depths > 0) != (marched > 0)).sum() <= 5
    difference = marched[both] - depths[both]
    assert (difference.abs() < 8e-3).float().mean() > 0.99


@pytest.mark.parametrize("elevation", [0.0, 35.0, 90.0])
def test_a_ball_covers_the_area_that_its_tangent_cone_covers(elevation):
    radius, distance = 0.6, 2.5
    cameras = orbit_cameras([elevation], [77.0], distance, width=128, height=128)
    alpha = trace(pack([ball((0, 0, 0), radius, GRAY)]), cameras, supersampling=3)[..., 3]
    focal = float(cameras.Ks[0, 0, 0])
    expected = math.pi * (focal * radius / math.sqrt(distance**2 - radius**2)) ** 2
    assert float(alpha.sum()) == pytest.approx(expected, rel=2e-3)


def test_depth_and_normal_at_the_middle_of_a_ball_a_box_and_a_cone():
    front = orbit_cameras([0.0], [0.0], width=33, height=33)
    depth, normal = trace_surface(pack([ball((0, 0, 0), 0.5, GRAY)]), front)
    torch.testing.assert_close(depth[0, 16, 16], torch.tensor(2.0))
    torch.testing.assert_close(normal[0, 16, 16], torch.tensor([1.0, 0, 0]))
    depth, normal = trace_surface(pack([box((0, 0, 0), (0.3, 0.5, 0.5), GRAY)]), front)
    torch.testing.assert_close(depth[0, 16, 16], torch.tensor(2.2))
    torch.testing.assert_close(normal[0, 16, 16], torch.tensor([1.0, 0, 0]))
    # Radius 0.4 at the bottom, a tip one unit up: half way the surface is at 0.2 and leans back by atan(0.4).
    cone = pack([frustum((0, 0, -0.5), (0, 0, 0.5), 0.4, GRAY, 0.0)])
    depth, normal = trace_surface(cone, front)
    torch.testing.assert_close(depth[0, 16, 16], torch.tensor(2.3))
    slope = math.atan(0.4)
    torch.testing.assert_close(normal[0, 16, 16], torch.tensor([math.cos(slope), 0.0, math.sin(slope)]))


def test_supersampling_averages_the_finer_image():
    scene, cameras = pack(MIXED), orbit_cameras([10.0, 40.0], [0.0, 200.0], width=24, height=24)
    fine = trace(scene, cameras.resized(72, 72), supersampling=1)
    averaged = fine.view(2, 24, 3, 24, 3, 4).mean(dim=(2, 4))
    torch.testing.assert_close(trace(scene, cameras, supersampling=3), averaged)


def test_compositing_puts_the_object_in_front_of_any_background():
    # One sample a pixel: each pixel is either the object or the background.
    rgba = trace(pack(MIXED), orbit_cameras([10.0], [30.0]), supersampling=1)
    background = torch.tensor([[0.2, 0.7, 0.4]])
    image = composite(rgba, background)
    is_object = rgba[..., 3] == 1
    assert is_object.any()
    assert ((rgba[..., 3] == 0) | is_object).all()
    torch.testing.assert_close(image[is_object], rgba[..., :3][is_object])
    torch.testing.assert_close(image[~is_object], background.expand(int((~is_object).sum()), 3))


def test_a_view_does_not_depend_on_its_company():
    scene = build_scene("a red train")
    batch = cat([orbit_cameras([5.0 * i], [37.0 * i], fovy_deg=40 + i, width=32, height=32) for i in range(9)])
    together = trace(scene, batch)
    for index in range(len(batch)):
        torch.testing.assert_close(together[index], trace(scene, batch[[index]])[0])


def _reference(scene, cameras):
    """Every ray against every primitive, in double precision: colors and coverage, depths."""
    axes = cameras.c2w[:, :3, :3].double() * torch.tensor([1.0, -1, -1])
    K = cameras.Ks[0].double()
    rows, columns = (torch.arange(size, dtype=torch.float64) for size in (cameras.height, cameras.width))
    y, x = torch.meshgrid((rows + 0.5 - K[1, 2]) / K[1, 1], (columns + 0.5 - K[0, 2]) / K[0, 0], indexing="ij")
    rays = torch.einsum("bij,hwj->bhwi", axes, torch.stack([x, y, torch.ones_like(x)], dim=-1))
    light = torch.tensor(LIGHT_DIRECTION, dtype=torch.float64)
    nearest = torch.full(rays.shape[:3], torch.inf, dtype=torch.float64)
    image = torch.zeros(*rays.shape[:3], 4, dtype=torch.float64)
    for index in range(len(scene)):
        half, taper = scene.half_sizes[index].double(), scene.tapers[index].double()
        to_local = scene.rotations[index].double().T / half[:, None]
        o = ((cameras.positions - scene.centers[index]).double() @ to_local.T)[:, None, None]
        d = rays @ to_local.T
        depths, normal_at = _SURFACES[KINDS[scene.kinds[index]]](o, d, taper)
        depth = torch.where(depths > 1e-3, depths, torch.inf).amin(dim=0)
        point = o + torch.where(depth < torch.inf, depth, 0)[..., None] * d
        normal = torch.nn.functional.normalize(normal_at(point) @ to_local, dim=-1)
        brightness = AMBIENT + (1 - AMBIENT) * (0.5 + 0.5 * normal @ (light / light.norm())) ** 2
        plane, period = scene.paint_planes[index].double(), scene.paint_periods[index].double()
        is_painted = torch.remainder(point @ plane[:3] - plane[3], period) < 0.5 * period
        paint = torch.where(is_painted[..., None], scene.paint_colors[index], scene.colors[index])
        color = torch.cat([paint * brightness[..., None], torch.ones_like(point[..., :1])], dim=-1)
        is_nearer = depth < nearest
        image[is_nearer], nearest[is_nearer] = color[is_nearer], depth[is_nearer]
    return image, torch.where(nearest < torch.inf, nearest, 0)


def _roots(a, b, c):
    """Of a t^2 + 2 b t + c; not a number where there are none."""
    root = (b * b - a * c).sqrt()
    return torch.stack([(-b - root) / a, (-b + root) / a])


def _ball_surface(o, d, taper):
    depths = _roots((d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1)
    return depths[:1], lambda point: point


def _cube_surface(o, d, taper):
    sides = torch.stack([(-1 - o) / d, (1 - o) / d])
    enter, leave = sides.amin(dim=0).amax(dim=-1), sides.amax(dim=0).amin(dim=-1)
    return torch.where(enter <= leave, enter, torch.inf)[None], lambda p: torch.where(
        p.abs() >= p.abs().amax(-1, keepdim=True), p.sign(), 0
    )


def _cone_surface(o, d, taper):
    slope = 0.5 * (taper - 1)
    flat = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    radius, change = frustum_radius(taper, o[..., 2]), slope * d[..., 2]
    a, b = (d * d * flat).sum(-1) - change**2, (o * d * flat).sum(-1) - radius * change
    side = _roots(a, b, (o * o * flat).sum(-1) - radius**2)
    side = torch.where((o[..., 2] + side * d[..., 2]).abs() <= 1, side, torch.inf)
    disks = torch.stack([(-1 - o[..., 2]) / d[..., 2], (1 - o[..., 2]) / d[..., 2]])
    across = ((o + disks[..., None] * d) * flat).norm(dim=-1)
    disks = torch.where(across <= torch.tensor([1.0, taper])[:, None, None, None], disks, torch.inf)

    def normal_at(p):
        on_side = torch.cat([p[..., :2], (-slope * frustum_radius(taper, p[..., 2]))[..., None]], dim=-1)
        return torch.where(p[..., 2:].abs() > 1 - 1e-4, p * (1 - flat), on_side)

    return torch.cat([side, disks]), normal_at


_SURFACES = {"ellipsoid": _ball_surface, "box": _cube_surface, "frustum": _cone_surface}


@pytest.mark.parametrize("caption", [None, "an orange cat", "a blue robot wearing a red hat", "a green tree"])
def test_images_and_depths_equal_those_of_every_ray_against_every_primitive(caption):
    scene = build_scene(caption) if caption else pack(MIXED)
    cameras = orbit_cameras([35.0, -8.0, 88.0], [10.0, 130.0, 250.0], 2.2, width=45, height=38)
    expected, expected_depths = _reference(scene, cameras)
    differs = ((trace(scene, cameras, supersampling=1) - expected).abs() > 1e-6).any(dim=-1)
    # Where two faces coincide, on top of the robot, either may be seen.
    assert differs.sum() <= (20 if caption and "robot" in caption else 0)
    depths, _ = trace_surface(scene, cameras)
    torch.testing.assert_close(depths, expected_depths.float(), atol=1e-6, rtol=0)


def test_a_camera_among_the_primitives_sees_those_in_front():
    # Some are behind it, and some reach from behind it to the front: no window bounds them.
    cameras = orbit_cameras([5.0, 5.0], [20.0, 170.0], 0.55, fovy_deg=80, width=32, height=32)
    expected, _ = _reference(pack(MIXED), cameras)
    torch.testing.assert_close(trace(pack(MIXED), cameras, supersampling=1), expected.float(), atol=1e-6, rtol=0)


def test_images_do_not_depend_on_the_number_of_threads(monkeypatch):
    scene, cameras = build_scene("an orange cat"), orbit_cameras([10.0] * 4, [0.0, 80.0, 160.0, 240.0])
    alone = trace(scene, cameras)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert torch.equal(trace(scene, cameras), alone)


def test_the_order_of_the_primitives_does_not_matter():
    cameras = orbit_cameras([10.0], [20.0])
    torch.testing.assert_close(trace(pack(MIXED[::-1]), cameras), trace(pack(MIXED), cameras))


def test_an_empty_view_is_transparent_and_a_camera_inside_sees_the_surroundings():
    cameras = orbit_cameras([0.0], [0.0], width=8, height=8)
    assert not trace(pack([ball((5, 0, 0), 0.5, GRAY)]), cameras).any()  # behind the camera
    around = pack([ball((2.5, 0, 0), 0.5, RED), ball((0, 0, 0), 0.5, BLUE)])
    colors = trace(around, cameras)[0, 4, 4]
    assert colors[2] > 0.3
    assert colors[0] == 0


def test_paint_covers_one_side_and_stripes_alternate():
    front, back = orbit_cameras([0.0], [0.0]), orbit_cameras([0.0], [180.0])
    two_sided = pack([ball((0, 0, 0), 0.6, RED, Paint(BLUE, (-1, 0, 0)))])
    assert trace(two_sided, front)[..., 2].sum() == 0
    assert trace(two_sided, back)[..., 0].sum() == 0
    striped = pack([box((0, 0, 0), (0.5, 0.5, 0.5), RED, paint=Paint(BLUE, (0, 0, 1), period=0.5))])
    column = trace(striped, front.resized(65, 65), supersampling=1)[0, :, 32]
    is_red = column[column[:, 3] > 0][:, 0] > 0
    assert int((is_red[1:] != is_red[:-1]).sum()) == 3  # four stripes of 0.25 on a side of 1


def test_light_falls_from_the_front_left_and_above():
    scene = pack([ball((0, 0, 0), 0.6, GRAY)])
    front, left, right, back, top = trace(scene, orbit_cameras([0, 0, 0, 0, 89.0], [0, 90, 270, 180, 0.0]))[
        :, 28:36, 28:36, 0
    ].mean(dim=(1, 2))
    assert top > left > right > back
    assert front > left


def test_supersampling_below_one_is_refused():
    with pytest.raises(ValueError, match="supersampling"):
        trace(pack(MIXED), orbit_cameras([0.0], [0.0]), supersampling=0)
