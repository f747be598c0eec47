"""Sums of blending weights: those of the kernels are the derivatives of the images with respect to the colors."""

import pytest
import torch
from rasterizer_scenes import convert, random_scene, relative_error, ring_of_cameras
from splatdream.cameras.batch import orbit_cameras
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.rendering import cpu, reference
from splatdream.rendering.contributions import contributions, contributions_by_gradient
from splatdream.rendering.signature import Arguments

SCENES = {
    "many tiles": (random_scene(300, seed=1), ring_of_cameras(3, 70, 45)),
    "opaque": (random_scene(400, seed=2, scale=0.3), ring_of_cameras(2, 40, 40)),
    "far to the side": (random_scene(60, seed=3), ring_of_cameras(2, 24, 24, radius=0.6)),
}


@pytest.mark.parametrize("rasterize_mode", ["classic", "antialiased"])
@pytest.mark.parametrize("scene", SCENES)
def test_sums_of_weights_are_derivatives_with_respect_to_the_colors(scene, rasterize_mode):
    gaussians, cameras = SCENES[scene]
    arguments = convert({**gaussians, **cameras, "rasterize_mode": rasterize_mode}, torch.float32)
    weights = cpu.rasterization(**arguments, contributions=True)[2]["contributions"]
    derivatives = contributions_by_gradient(cpu.rasterization, Arguments(**arguments))
    torch.testing.assert_close(weights, derivatives, rtol=1e-5, atol=1e-6)
    exact = convert(arguments, torch.float64)
    expected = reference.rasterization(**exact, contributions=True)[2]["contributions"]
    assert relative_error(weights.double(), expected) < 1e-4
    assert not weights.requires_grad


def test_asking_for_contributions_does_not_change_the_images():
    gaussians, cameras = SCENES["many tiles"]
    arguments = convert({**gaussians, **cameras, "render_mode": "RGB+ED"}, torch.float32)
    plain, asked = (cpu.rasterization(**arguments, contributions=contributions) for contributions in (False, True))
    torch.testing.assert_close(plain[0], asked[0], rtol=1e-5, atol=1e-6)  # but for the last bits
    torch.testing.assert_close(plain[1], asked[1], rtol=1e-5, atol=1e-6)
    assert "contributions" not in plain[2]


def test_weights_of_all_gaussians_add_up_to_the_alphas():
    gaussians, cameras = SCENES["opaque"]
    _, alphas, info = cpu.rasterization(**convert({**gaussians, **cameras}, torch.float32), contributions=True)
    torch.testing.assert_close(info["contributions"].sum(dim=1), alphas.sum(dim=(1, 2, 3)))


def test_contributions_are_summed_over_all_batches_of_cameras(generator):
    cloud = GaussianCloud(
        means=0.4 * torch.randn(50, 3, generator=generator),
        log_scales=torch.full((50, 3), -2.5),
        quats=torch.randn(50, 4, generator=generator),
        opacity_logits=torch.randn(50, generator=generator),
        sh0=torch.zeros(50, 1, 3),
        shN=torch.zeros(50, 0, 3),
    )
    batches = [orbit_cameras([0.0, 20.0], [0.0, 90.0]), orbit_cameras([-30.0], [200.0], width=40, height=30)]
    alone = [batch[[i]] for batch in batches for i in range(len(batch))]
    expected = sum(contributions(cloud, [camera], backend="reference") for camera in alone)
    torch.testing.assert_close(contributions(cloud, batches), expected, rtol=1e-3, atol=1e-2)
    assert (contributions(cloud, []) == 0).all()
