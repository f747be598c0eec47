"""The reference against answers from outside: gsplat's torch functions, nerfacc, closed forms, central differences."""

import math

import jaxtyping
import pytest
import torch
from rasterizer_scenes import convert, random_scene, ring_of_cameras
from splatdream.rendering import reference
from splatdream.rendering.signature import Arguments


def test_three_half_transparent_layers_weigh_a_half_a_quarter_and_an_eighth():
    weights = reference.blending_weights(torch.tensor([[0.5, 0.5, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.25, 0.125]], dtype=torch.float64))


def test_blending_weights_agree_with_nerfacc(generator):
    nerfacc = pytest.importorskip("nerfacc")
    alphas = 0.6 * torch.rand(7, 5, generator=generator)
    expected, _ = nerfacc.render_weight_from_alpha(alphas)
    torch.testing.assert_close(reference.blending_weights(alphas), expected)


def test_a_ray_stops_before_the_layer_that_would_leave_it_opaque():
    # 1 - 0.999 leaves 1e-3; the second layer would leave 1e-6 and does not count, nor does anything behind it.
    weights = reference.blending_weights(torch.tensor([[0.999, 0.999, 0.5]], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([[0.999, 0.0, 0.0]], dtype=torch.float64))


def test_projection_agrees_with_gsplat():
    gsplat_torch = pytest.importorskip("gsplat.cuda._torch_impl")
    scene, cameras = random_scene(40, seed=1), ring_of_cameras(3, width=50, height=34)
    scene["means"][:6] *= 1.8  # some beside the image, where the Jacobian is clamped
    arguments = (scene["means"], scene["quats"], scene["scales"], cameras["viewmats"], cameras["Ks"])
    means2d, covariances, depths, compensations = reference.project(*arguments, 50, 34, eps2d=0.3)

    covars, _ = gsplat_torch._quat_scale_to_covar_preci(scene["quats"], scene["scales"], True, False, triu=False)
    _, expected_means2d, expected_depths, expected_conics, expected_compensations = (
        gsplat_torch._fully_fused_projection(
            scene["means"], covars, cameras["viewmats"], cameras["Ks"], 50, 34, calc_compensations=True
        )
    )
    torch.testing.assert_close(compensations, expected_compensations)
    conics = torch.linalg.inv(covariances)
    torch.testing.assert_close(means2d, expected_means2d)
    torch.testing.assert_close(depths, expected_depths)
    torch.testing.assert_close(conics[..., 0, 0], expected_conics[..., 0])
    torch.testing.assert_close(conics[..., 0, 1], expected_conics[..., 1])
    torch.testing.assert_close(conics[..., 1, 1], expected_conics[..., 2])


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
def test_one_gaussian_in_the_middle_has_the_closed_form_image_and_gradients(rasterize_mode):
    # An isotropic Gaussian on the axis: variance (focal scale / z)^2 + eps2d on the screen.
    focal, size = 40.0, 9
    K = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]], dtype=torch.float64)
    z, scale, opacity = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (2.0, 0.1, 0.7))
    images, alphas, _ = reference.rasterization(
        means=torch.stack([torch.zeros_like(z), torch.zeros_like(z), z])[None],
        quats=torch.tensor([[1, 0, 0, 0]], dtype=torch.float64),
        scales=scale.expand(1, 3),
        opacities=opacity[None],
        colors=torch.tensor([[1.0, 0.5, 0.25]], dtype=torch.float64),
        viewmats=torch.eye(4, dtype=torch.float64)[None],
        Ks=K[None],
        width=size,
        height=size,
        render_mode="RGB+ED",
        rasterize_mode=rasterize_mode,
    )
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    squares = offsets[:, None] ** 2 + offsets[None, :] ** 2
    variance = (focal * scale / z) ** 2
    seen = opacity * (variance / (variance + 0.3) if rasterize_mode == "antialiased" else 1)
    expected = seen * torch.exp(-0.5 * squares / (variance + 0.3))
    assert expected.min() > 1 / 255
    torch.testing.assert_close(alphas[0, ..., 0], expected)
    torch.testing.assert_close(images[0, ..., 1], 0.5 * expected)
    torch.testing.assert_close(images[0, ..., 3], z.detach().expand(size, size))
    weights = torch.linspace(-1, 1, size * size, dtype=torch.float64).reshape(size, size)
    gradients = torch.autograd.grad((alphas[0, ..., 0] * weights).sum(), (z, scale, opacity))
    torch.testing.assert_close(gradients, torch.autograd.grad((expected * weights).sum(), (z, scale, opacity)))


def test_antialiased_light_of_a_tiny_gaussian_does_not_depend_on_the_resolution():
    # Its light is opacity * 2 pi scale^2 on the image plane; alphas below 1/255 are missing, a few percent of it.
    scale, opacity, lights = 0.0208, 0.9, {}
    for size in (24, 48, 96):  # a quarter of a pixel, a half, one
        K = torch.tensor([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1]])
        for rasterize_mode in ("classic", "antialiased"):
            _, alphas, _ = reference.rasterization(
                means=torch.tensor([[0.0, 0.0, 2.0]]),
                quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
                scales=torch.full((1, 3), scale),
                opacities=torch.tensor([opacity]),
                colors=torch.ones(1, 3),
                viewmats=torch.eye(4)[None],
                Ks=K[None],
                width=size,
                height=size,
                rasterize_mode=rasterize_mode,
            )
            lights[rasterize_mode, size] = float(alphas.mean()) / (opacity * 2 * math.pi * (scale / 2) ** 2)
    for size in (24, 48, 96):
        assert lights["antialiased", size] == pytest.approx(1, abs=0.04)
    assert lights["classic", 24] > 5
    assert lights["classic", 24] > 4 * lights["classic", 96]


def test_a_point_has_no_antialiased_light_and_finite_gradients():
    scene, cameras = random_scene(5, seed=6), ring_of_cameras(1, 9, 7)
    arguments = convert({**scene, **cameras, "rasterize_mode": "antialiased"}, torch.float64)
    arguments["scales"] = torch.zeros(5, 3, dtype=torch.float64, requires_grad=True)
    _, alphas, _ = reference.rasterization(**arguments)
    alphas.sum().backward()
    assert (alphas == 0).all()
    assert torch.isfinite(arguments["scales"].grad).all()


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("name", ["means", "quats", "scales", "opacities", "colors", "backgrounds", "viewmats"])
def test_gradients_agree_with_central_differences(name, rasterize_mode, generator):
    scene, cameras = random_scene(6, seed=4, scale=0.15), ring_of_cameras(2, width=9, height=7)
    backgrounds = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    arguments = convert({**scene, **cameras, "backgrounds": backgrounds}, torch.float64)
    arguments |= {"render_mode": "RGB+ED", "rasterize_mode": rasterize_mode}
    arguments["viewmats"].requires_grad_()
    weights = torch.randn(2, 7, 9, 4, generator=generator, dtype=torch.float64)

    def loss() -> torch.Tensor:
        images, alphas, _ = reference.rasterization(**arguments)
        return (images * weights).sum() + (alphas * weights[..., :1]).sum()

    (gradient,) = torch.autograd.grad(loss(), arguments[name])
    direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
    step = 1e-6  # small, so that no alpha crosses the threshold 1/255 within it
    original = arguments[name]
    with torch.no_grad():
        arguments[name] = original + step * direction
        above = loss()
        arguments[name] = original - step * direction
        below = loss()
    expected = (above - below) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=1e-5, atol=1e-7)


def test_spherical_harmonics_of_degree_zero_are_colors():
    scene, cameras = random_scene(20, seed=2), ring_of_cameras(2, width=12, height=10)
    by_color = reference.rasterization(**scene, **cameras)[0]
    scene["colors"] = ((scene["colors"] - 0.5) / 0.28209479177387814)[:, None]
    by_sh = reference.rasterization(**scene, **cameras, sh_degree=0)[0]
    torch.testing.assert_close(by_sh, by_color)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quats": torch.zeros(5, 3)}, "quats has the shape"),
        ({"colors": torch.zeros(4, 3)}, "pass sh_degree"),
        ({"colors": torch.zeros(5, 4, 3), "sh_degree": 2}, "9 or more"),
        ({"backgrounds": torch.zeros(1, 3)}, "backgrounds has the shape"),
        ({"render_mode": "depth"}, "RGB, D, ED"),
        ({"rasterize_mode": "sharp"}, "rasterize_mode 'sharp' is not one of classic, antialiased"),
        ({"width": 0}, "nothing to render"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message, monkeypatch):
    # As for a user: the tests' own check of annotations would speak first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    arguments = {
        "means": torch.zeros(5, 3),
        "quats": torch.zeros(5, 4),
        "scales": torch.zeros(5, 3),
        "opacities": torch.zeros(5),
        "colors": torch.zeros(5, 3),
        "viewmats": torch.zeros(2, 4, 4),
        "Ks": torch.zeros(2, 3, 3),
        "width": 4,
        "height": 4,
        "sh_degree": None,
        "backgrounds": None,
        "render_mode": "RGB",
    }
    Arguments(**arguments)
    with pytest.raises(ValueError, match=message):
        Arguments(**{**arguments, **change})
