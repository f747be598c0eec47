"""Sums of blending weights: the derivatives of the images with respect to the colors."""

import pytest
import torch
from rasterizer_scenes import convert, random_scene, relative_error, ring_of_cameras
from splatdream.rendering import cpu, gsplat_backend, reference
from splatdream.rendering.signature import Arguments

SCENES = {
    "many tiles": (random_scene(300, seed=1), ring_of_cameras(3, 70, 45)),
    "opaque": (random_scene(400, seed=2, scale=0.3), ring_of_cameras(2, 40, 40)),
    "far to the side": (random_scene(60, seed=3), ring_of_cameras(2, 24, 24, radius=0.6)),
}


def contributions(rasterization, arguments: dict) -> torch.Tensor:
    images, _, info = rasterization(**arguments)
    images.square().sum().backward()
    return info["means2d"].contributions


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("scene", SCENES)
def test_sums_of_weights_are_derivatives_with_respect_to_the_colors(scene, rasterize_mode):
    gaussians, cameras = SCENES[scene]
    exact = convert({**gaussians, **cameras, "rasterize_mode": rasterize_mode}, torch.float64)
    arguments = convert(exact, torch.float32)
    weights = contributions(cpu.rasterization, arguments)
    colors = torch.rand(len(weights), weights.shape[1], 3).requires_grad_()
    images, _, _ = cpu.rasterization(**arguments | {"colors": colors})
    (derivatives,) = torch.autograd.grad(images[..., 0].sum(), colors)
    torch.testing.assert_close(weights, derivatives[..., 0], rtol=1e-5, atol=1e-6)
    assert relative_error(weights.double(), contributions(reference.rasterization, exact)) < 1e-4
    assert not weights.requires_grad


def test_weights_of_all_gaussians_add_up_to_the_alphas():
    gaussians, cameras = SCENES["opaque"]
    images, alphas, info = cpu.rasterization(**convert({**gaussians, **cameras}, torch.float32))
    images.sum().backward()
    torch.testing.assert_close(info["means2d"].contributions.sum(dim=1), alphas.detach().sum(dim=(1, 2, 3)))


@pytest.mark.parametrize("render_mode", ["RGB", "D", "ED", "RGB+D", "RGB+ED"])
def test_the_sums_do_not_depend_on_the_loss_nor_on_what_is_drawn(render_mode):
    gaussians, cameras = SCENES["many tiles"]
    arguments = convert({**gaussians, **cameras}, torch.float32)
    other = arguments | {"render_mode": render_mode, "absgrad": True}
    assert torch.equal(contributions(cpu.rasterization, arguments), contributions(cpu.rasterization, other))


def four_colors(colors, backgrounds, packed, **options):
    """As gsplat draws them, which takes any number of colors: by the reference, which takes three."""
    images, alphas, info = reference.rasterization(colors=colors[..., :3], backgrounds=backgrounds[..., :3], **options)
    last = {"colors": colors[..., 3:].expand(-1, -1, 3), "backgrounds": backgrounds[..., 3:].expand(-1, 3)}
    fourth, _, _ = reference.rasterization(**last, **options)
    del info["means2d"].contributions  # gsplat does not tell
    return torch.cat([images[..., :3], fourth[..., :1], images[..., 3:]], dim=-1), alphas, info


@pytest.mark.parametrize("has_coefficients", [False, True])
def test_a_black_color_tells_what_gsplat_does_not(has_coefficients, generator):
    gaussians, cameras = SCENES["far to the side"]
    arguments = {**gaussians, **cameras, "render_mode": "RGB+ED", "backgrounds": torch.rand(2, 3, generator=generator)}
    if has_coefficients:
        arguments |= {"colors": torch.randn(60, 4, 3, generator=generator), "sh_degree": 1}
    plain, asked = (convert(arguments, torch.float64) for _ in range(2))
    expected, expected_alphas, expected_info = reference.rasterization(**plain)
    images, alphas, info = gsplat_backend.rasterization_with_weights(four_colors, Arguments(**asked))
    for image, alpha in ((expected, expected_alphas), (images, alphas)):
        (image.square().sum() + alpha.square().sum()).backward()
    torch.testing.assert_close(images, expected)
    for name in ("means", "quats", "scales", "opacities", "colors", "backgrounds"):
        torch.testing.assert_close(asked[name].grad, plain[name].grad)
    torch.testing.assert_close(info["means2d"].contributions, expected_info["means2d"].contributions)
