"""The CPU rasterizer against the float64 reference, against symmetries of the scene, and on degenerate input."""

import pytest
import torch
from rasterizer_scenes import convert, random_scene, relative_error, render_with_gradients, ring_of_cameras
from splatdream.gaussians.spherical_harmonics import num_coefficients
from splatdream.rendering import cpu, reference

CASES = {
    "square": (random_scene(150, seed=1), ring_of_cameras(3, 32, 32), {}),
    "wide, odd size": (random_scene(80, seed=2), ring_of_cameras(2, 67, 21), {"render_mode": "RGB+D"}),
    "tall, expected depth": (random_scene(80, seed=3), ring_of_cameras(2, 19, 45), {"render_mode": "RGB+ED"}),
    "depth only": (random_scene(60, seed=4), ring_of_cameras(1, 33, 20), {"render_mode": "D"}),
    "expected depth only": (random_scene(60, seed=5), ring_of_cameras(1, 20, 33), {"render_mode": "ED"}),
    "opaque": (random_scene(400, seed=6, scale=0.3), ring_of_cameras(1, 40, 40), {"render_mode": "RGB+ED"}),
    "one pixel": (random_scene(30, seed=7, scale=0.2), ring_of_cameras(2, 1, 1), {}),
    "antialiased": (
        random_scene(150, seed=1, scale=0.02),
        ring_of_cameras(3, 32, 32),
        {"rasterize_mode": "antialiased"},
    ),
    "antialiased, large": (
        random_scene(150, seed=6, scale=0.1),
        ring_of_cameras(2, 48, 32),
        {"rasterize_mode": "antialiased", "render_mode": "RGB+ED"},
    ),
    "far to the side": (random_scene(60, seed=8), ring_of_cameras(2, 24, 24, radius=0.6), {}),
}


def with_backgrounds(scene: dict, cameras: dict, options: dict) -> dict:
    generator = torch.Generator().manual_seed(9)
    num_cameras = len(cameras["viewmats"])
    backgrounds = torch.rand(num_cameras, 3, generator=generator, dtype=torch.float64)
    return {**scene, **cameras, **options, "backgrounds": backgrounds, "absgrad": True}


@pytest.mark.parametrize("case", CASES)
def test_images_and_all_gradients_agree_with_the_reference(case):
    arguments = with_backgrounds(*CASES[case])
    expected = render_with_gradients(reference.rasterization, arguments, torch.float64)
    actual = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    assert expected.keys() == actual.keys()
    # Single pixels flip where an alpha is 1/255 up to rounding; hence norms, and a bound for the largest difference.
    assert relative_error(actual["images"], expected["images"]) < 1e-4
    assert (actual["images"] - expected["images"]).abs().max() < 2e-2
    assert (actual["alphas"] - expected["alphas"]).abs().max() < 5e-3
    assert torch.equal(actual["radii"], expected["radii"])
    for name in expected:
        if "grad" in name:
            assert relative_error(actual[name], expected[name]) < 2e-3, name


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics_and_their_gradients_agree_with_the_reference(degree, generator):
    scene, cameras = random_scene(60, seed=10), ring_of_cameras(2, 24, 24)
    K = num_coefficients(degree)
    scene["colors"] = torch.randn(60, K, 3, generator=generator, dtype=torch.float64)
    arguments = {**scene, **cameras, "sh_degree": degree}
    expected = render_with_gradients(reference.rasterization, arguments, torch.float64)
    actual = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    for name in ("images", "grad colors", "grad means"):
        assert relative_error(actual[name], expected[name]) < 1e-3, name


def test_colors_can_differ_by_camera(generator):
    scene, cameras = random_scene(60, seed=10), ring_of_cameras(2, 24, 24)
    scene["colors"] = torch.rand(2, 60, 3, generator=generator, dtype=torch.float64)
    expected = render_with_gradients(reference.rasterization, {**scene, **cameras}, torch.float64)
    actual = render_with_gradients(cpu.rasterization, {**scene, **cameras}, torch.float32)
    for name in ("images", "grad colors"):
        assert relative_error(actual[name], expected[name]) < 1e-4, name


def test_gradients_agree_with_central_differences(generator):
    # So large that no alpha is near the threshold 1/255, where images jump.
    scene, cameras = random_scene(6, seed=12, scale=1.5), ring_of_cameras(2, 16, 16)
    scene["opacities"] *= 0.5
    arguments = {**scene, **cameras, "render_mode": "RGB+D"}
    gradients = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    weights_of = torch.Generator().manual_seed(11)  # those of render_with_gradients
    image_weights = torch.randn(2, 16, 16, 4, generator=weights_of, dtype=torch.float64)
    alpha_weights = torch.randn(2, 16, 16, 1, generator=weights_of, dtype=torch.float64)

    def loss(changed: dict) -> torch.Tensor:
        images, alphas, _ = cpu.rasterization(**convert({**arguments, **changed}, torch.float32))
        return (images.double() * image_weights).sum() + (alphas.double() * alpha_weights).sum()

    for name in ("means", "scales", "opacities", "colors"):
        direction = torch.randn(scene[name].shape, generator=generator, dtype=torch.float64)
        step = 1e-3
        above = loss({name: scene[name] + step * direction})
        below = loss({name: scene[name] - step * direction})
        expected = (above - below) / (2 * step)
        actual = (gradients[f"grad {name}"] * direction).sum()
        torch.testing.assert_close(actual, expected.detach(), rtol=2e-2, atol=2e-2)


def render32(arguments: dict) -> torch.Tensor:
    with torch.no_grad():
        images, alphas, _ = cpu.rasterization(**convert(arguments, torch.float32), render_mode="RGB+D")
    return torch.cat([images, alphas], dim=-1)


def test_order_of_the_gaussians_does_not_matter(generator):
    scene, cameras = random_scene(200, seed=13), ring_of_cameras(2, 40, 24)
    order = torch.randperm(200, generator=generator)
    shuffled = {name: tensor[order] for name, tensor in scene.items()}
    assert torch.equal(render32({**scene, **cameras}), render32({**shuffled, **cameras}))


def test_moving_scene_and_cameras_together_changes_nothing():
    scene, cameras = random_scene(100, seed=14), ring_of_cameras(2, 32, 32)
    half = torch.tensor(0.35, dtype=torch.float64)  # half the angle of a rotation about z
    c, s = torch.cos(2 * half), torch.sin(2 * half)
    motion = torch.eye(4, dtype=torch.float64)
    motion[0, 0], motion[0, 1], motion[1, 0], motion[1, 1] = c, -s, s, c
    motion[:3, 3] = torch.tensor([0.4, -1.0, 2.0])
    w, x, y, z = scene["quats"].unbind(-1)
    cz, sz = half.cos(), half.sin()
    turned = torch.stack([cz * w - sz * z, cz * x - sz * y, cz * y + sz * x, cz * z + sz * w], dim=-1)
    moved = {**scene, "means": scene["means"] @ motion[:3, :3].T + motion[:3, 3], "quats": turned}
    moved_cameras = {**cameras, "viewmats": cameras["viewmats"] @ torch.linalg.inv(motion)}
    difference = render32({**scene, **cameras}) - render32({**moved, **moved_cameras})
    assert difference.abs().mean() < 1e-5
    assert difference.abs().max() < 2e-2


def test_a_crop_of_the_image_is_the_image_of_the_crop():
    # A principal point that is moved by (dx, dy) sees the same scene shifted. The Jacobian's clamp depends on the
    # image, so all Gaussians are kept well inside both.
    scene, cameras = random_scene(60, seed=15, scale=0.04), ring_of_cameras(1, 60, 50)
    scene["means"] = 0.3 * scene["means"]
    dx, dy, width, height = 13, 9, 35, 33
    Ks = cameras["Ks"].clone()
    Ks[:, 0, 2] -= dx
    Ks[:, 1, 2] -= dy
    whole = render32({**scene, **cameras})
    crop = render32({**scene, **cameras, "Ks": Ks, "width": width, "height": height})
    torch.testing.assert_close(crop, whole[:, dy : dy + height, dx : dx + width], rtol=1e-4, atol=1e-4)


def test_bits_do_not_depend_on_the_number_of_threads():
    arguments = with_backgrounds(random_scene(3000, seed=16, scale=0.1), ring_of_cameras(3, 70, 50), {})
    before = torch.get_num_threads()
    try:
        results = []
        for num_threads in (1, 2, 5):
            torch.set_num_threads(num_threads)
            results.append(render_with_gradients(cpu.rasterization, arguments, torch.float32))
    finally:
        torch.set_num_threads(before)
    for name in results[0]:
        if name == "grad backgrounds":  # summed by torch, over pixels
            torch.testing.assert_close(results[0][name], results[1][name])
        else:
            assert torch.equal(results[0][name], results[1][name]), name
            assert torch.equal(results[0][name], results[2][name]), name


def test_screen_centers_keep_their_gradient():
    arguments = convert({**random_scene(20, seed=17), **ring_of_cameras(2, 16, 16)}, torch.float32)
    images, _, info = cpu.rasterization(**arguments, absgrad=True)
    images.sum().backward()
    assert info["means2d"].grad.shape == (2, 20, 2)
    assert info["means2d"].absgrad.shape == (2, 20, 2)
    # The sum of absolute values over pixels is never below the absolute value of the sum.
    assert (info["means2d"].absgrad >= info["means2d"].grad.abs() - 1e-5).all()
    assert info["radii"].shape == (2, 20, 2)
    assert info["n_cameras"] == 2
    assert info["gaussian_ids"] is None


def test_two_renders_before_one_backward_do_not_disturb_each_other():
    scene, cameras = random_scene(80, seed=18), ring_of_cameras(2, 24, 24)
    alone = render_with_gradients(cpu.rasterization, {**scene, **cameras}, torch.float32)["grad means"]
    other = convert({**random_scene(300, seed=19), **ring_of_cameras(3, 50, 40)}, torch.float32)

    def rasterize_twice(**arguments):
        result = cpu.rasterization(**arguments)
        cpu.rasterization(**other)[0].sum().backward()
        return result

    torch.testing.assert_close(
        render_with_gradients(rasterize_twice, {**scene, **cameras}, torch.float32)["grad means"],
        alone,
        rtol=0,
        atol=0,
    )


def one_gaussian(**changes) -> dict:
    arguments = {
        "means": torch.zeros(1, 3, dtype=torch.float64),
        "quats": torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64),
        "scales": torch.full((1, 3), 0.1, dtype=torch.float64),
        "opacities": torch.tensor([0.8], dtype=torch.float64),
        "colors": torch.ones(1, 3, dtype=torch.float64),
    }
    for name, value in changes.items():
        arguments[name] = torch.as_tensor(value, dtype=torch.float64).expand_as(arguments[name])
    return {**arguments, **ring_of_cameras(1, 20, 20)}


NOTHING_TO_SEE = {
    "behind the camera": one_gaussian(means=[[-20.0, 0.0, 0.0]]),
    "opacity 0": one_gaussian(opacities=[0.0]),
    "opacity below the threshold": one_gaussian(opacities=[0.0039]),
    "beside the image": one_gaussian(means=[[0.0, 0.0, 9.0]]),
}


@pytest.mark.parametrize("case", NOTHING_TO_SEE)
def test_what_cannot_be_seen_leaves_the_background_and_no_gradient(case):
    arguments = NOTHING_TO_SEE[case]
    if case == "behind the camera":
        position = torch.linalg.inv(arguments["viewmats"])[0, :3, 3]
        arguments = {**arguments, "means": 3 * position[None]}
    result = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    assert (result["images"] == 0).all()
    assert (result["radii"] == 0).all()
    for name in result:
        if name.startswith("grad"):
            assert (result[name] == 0).all(), name


DEGENERATE = {
    "needle": one_gaussian(scales=[[3.0, 1e-4, 1e-4]], quats=[[0.9, 0.1, 0.3, 0.2]]),
    "pancake": one_gaussian(scales=[[0.5, 0.5, 1e-7]], quats=[[0.9, 0.1, 0.3, 0.2]]),
    "point": one_gaussian(scales=[[0.0, 0.0, 0.0]]),
    "huge": one_gaussian(scales=[[500.0, 400.0, 300.0]]),
    "long quaternion": one_gaussian(quats=[[100.0, 20.0, -30.0, 5.0]]),
    "short quaternion": one_gaussian(quats=[[1e-6, 2e-6, -3e-6, 5e-6]]),
    "opacity 1": one_gaussian(opacities=[1.0]),
    "close to the camera": one_gaussian(means=[[0.0, 0.0, 0.1]], scales=[[0.5, 0.1, 0.3]]),
}


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_gaussians_agree_with_the_reference(case, rasterize_mode):
    arguments = {**DEGENERATE[case], "rasterize_mode": rasterize_mode}
    expected = render_with_gradients(reference.rasterization, arguments, torch.float64)
    actual = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    is_too_thin = rasterize_mode == "antialiased" and case in ("needle", "point")
    assert (expected["alphas"].max() > 0.01) != is_too_thin
    assert (actual["images"] - expected["images"]).abs().max() < 1e-2
    for name in expected:
        if name.startswith("grad"):
            assert torch.isfinite(actual[name]).all(), name


def test_overflow_of_finite_numbers_is_not_drawn_and_harms_no_other_gaussian():
    arguments = {**random_scene(40, seed=20), **ring_of_cameras(2, 24, 24)}
    alone = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    extreme = {"means": 1e30, "quats": 1.0, "scales": 1e30, "opacities": 0.5, "colors": 1.0}
    for name, value in extreme.items():
        row = torch.full_like(arguments[name][:1], value)
        arguments[name] = torch.cat([arguments[name], row])
    result = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    assert torch.equal(result["images"], alone["images"])
    for name in extreme:
        assert torch.equal(result[f"grad {name}"][:40], alone[f"grad {name}"]), name
        assert torch.isfinite(result[f"grad {name}"]).all(), name


def test_no_gaussians_is_the_background():
    scene = {name: tensor[:0] for name, tensor in random_scene(1, seed=0).items()}
    arguments = with_backgrounds(scene, ring_of_cameras(2, 9, 7), {})
    result = render_with_gradients(cpu.rasterization, arguments, torch.float32)
    expected = arguments["backgrounds"][:, None, None].expand(2, 7, 9, 3)
    torch.testing.assert_close(result["images"], expected.float().double())
    assert (result["alphas"] == 0).all()
    assert result["grad means"].shape == (0, 3)


@pytest.mark.parametrize("name", ["means", "quats", "scales", "opacities", "colors", "viewmats", "Ks"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_not_finite_is_reported(name, value):
    arguments = convert({**random_scene(20, seed=21), **ring_of_cameras(4, 16, 16)}, torch.float32)
    with torch.no_grad():
        arguments[name][3].view(-1)[0] = value
    with pytest.raises(ValueError, match=f"{name} has 1 rows with a NaN or an infinity, the first is row 3"):
        cpu.rasterization(**arguments)


def test_other_types_are_refused():
    arguments = convert({**random_scene(2, seed=0), **ring_of_cameras(1, 4, 4)}, torch.float64)
    with pytest.raises(TypeError, match=r"means is torch\.float64"):
        cpu.rasterization(**arguments)


def test_near_far_and_radius_clip_choose_the_same_gaussians_as_the_reference():
    scene, cameras = random_scene(100, seed=22), ring_of_cameras(2, 24, 24)
    for options in ({"near_plane": 2.4}, {"far_plane": 2.6}, {"radius_clip": 6.0}, {"eps2d": 1.0}):
        arguments = {**scene, **cameras, **options}
        expected = render_with_gradients(reference.rasterization, arguments, torch.float64)
        actual = render_with_gradients(cpu.rasterization, arguments, torch.float32)
        assert torch.equal(actual["radii"], expected["radii"])
        assert relative_error(actual["images"], expected["images"]) < 1e-4
