"""Clouds and camera batches to RenderOutput."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.spherical_harmonics import rgb_to_sh0
from splatdream.rendering.backends import choose_backend
from splatdream.rendering.render import render


def small_cloud(generator: torch.Generator, num_gaussians: int = 60) -> GaussianCloud:
    return GaussianCloud(
        means=0.4 * torch.randn(num_gaussians, 3, generator=generator),
        log_scales=torch.full((num_gaussians, 3), -2.5),
        quats=torch.randn(num_gaussians, 4, generator=generator),
        opacity_logits=torch.randn(num_gaussians, generator=generator),
        sh0=torch.randn(num_gaussians, 1, 3, generator=generator),
        shN=0.2 * torch.randn(num_gaussians, 8, 3, generator=generator),
    )


CAMERAS = orbit_cameras([0.0, 20.0, -30.0], [0.0, 90.0, 200.0], width=30, height=22)


@pytest.mark.parametrize("active_sh_degree", [0, 1, 2])
@pytest.mark.parametrize(
    ("per_pixel", "rasterize_mode"), [(False, "classic"), (True, "classic"), (True, "antialiased")]
)
def test_cpu_and_reference_backends_agree(active_sh_degree, per_pixel, rasterize_mode, generator):
    cloud = small_cloud(generator)
    background = torch.rand((3, 22, 30, 3) if per_pixel else (3, 3), generator=generator)
    fast = render(cloud, CAMERAS, background, active_sh_degree, rasterize_mode=rasterize_mode)
    exact = render(cloud, CAMERAS, background, active_sh_degree, backend="reference", rasterize_mode=rasterize_mode)
    torch.testing.assert_close(fast.rgb, exact.rgb, rtol=0, atol=5e-3)
    torch.testing.assert_close(fast.alpha, exact.alpha, rtol=0, atol=5e-3)
    torch.testing.assert_close(fast.means2d, exact.means2d, rtol=1e-4, atol=1e-3)
    assert torch.equal(fast.radii, exact.radii)


def test_one_background_color_is_the_same_as_an_image_of_it(generator):
    cloud = small_cloud(generator)
    color = torch.rand(3, 3, generator=generator)
    by_color = render(cloud, CAMERAS, color, 0).rgb
    by_image = render(cloud, CAMERAS, color[:, None, None].expand(3, 22, 30, 3), 0).rgb
    torch.testing.assert_close(by_color, by_image)


def test_an_opaque_gaussian_at_the_origin_is_seen_with_its_color_at_the_distance_of_the_cameras():
    color = torch.tensor([[0.2, 0.6, 0.9]])
    cloud = GaussianCloud(
        means=torch.zeros(1, 3),
        log_scales=torch.full((1, 3), -0.5),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        opacity_logits=torch.tensor([12.0]),
        sh0=rgb_to_sh0(color)[:, None],
        shN=torch.zeros(1, 0, 3),
    )
    output = render(cloud, CAMERAS, torch.zeros(3, 3), 0)
    # The four pixels round the middle are half a pixel off the peak, alpha is 0.999 at most.
    middle = output.rgb[:, 10:12, 14:16]
    torch.testing.assert_close(middle, color.expand_as(middle), rtol=0, atol=0.02)
    torch.testing.assert_close(output.depth[:, 10:12, 14:16], torch.full((3, 2, 2, 1), 2.5), rtol=0, atol=1e-4)


def test_gradients_reach_the_stored_parameters_the_background_and_the_screen(generator):
    cloud = small_cloud(generator)
    for tensor in cloud.tensors().values():
        tensor.requires_grad_()
    background = torch.rand(3, 22, 30, 3, generator=generator).requires_grad_()
    output = render(cloud, CAMERAS, background, 2)
    (output.rgb.square().sum() + output.depth.sum()).backward()
    for name, tensor in cloud.tensors().items():
        assert tensor.grad is not None, name
        assert tensor.grad.abs().sum() > 0, name
    assert background.grad.abs().sum() > 0
    assert output.means2d.grad.abs().sum() > 0


def test_the_image_is_upright_and_not_mirrored():
    # Seen from the front (azimuth 0, at +x), z is up and +y is to the right.
    means = torch.tensor([[0.0, 0.5, 0.5]])
    cloud = GaussianCloud(
        means=means,
        log_scales=torch.full((1, 3), -3.0),
        quats=torch.tensor([[1.0, 0, 0, 0]]),
        opacity_logits=torch.tensor([5.0]),
        sh0=torch.ones(1, 1, 3),
        shN=torch.zeros(1, 0, 3),
    )
    output = render(cloud, orbit_cameras([0.0], [0.0], width=40, height=40), torch.zeros(1, 3), 0)
    row, column = divmod(int(output.alpha[0, ..., 0].argmax()), 40)
    assert row < 18
    assert column > 22


def test_a_degree_above_what_is_stored_is_an_error(generator):
    with pytest.raises(ValueError, match="between 0 and the cloud's degree 2"):
        render(small_cloud(generator), CAMERAS, torch.zeros(3, 3), 3)


def test_backends_are_chosen_by_device_and_unknown_ones_are_named():
    assert choose_backend("auto", "cpu").__module__ == "splatdream.rendering.cpu"
    assert choose_backend("auto", "cuda").__module__ == "splatdream.rendering.gsplat_backend"
    assert choose_backend("reference", "cuda").__module__ == "splatdream.rendering.reference"
    with pytest.raises(ValueError, match="'opengl' is not one of auto, reference, cpu, gsplat"):
        choose_backend("opengl", "cpu")


def test_gsplat_backend_refuses_cpu_tensors(generator):
    with pytest.raises(TypeError, match="use the backend 'cpu'"):
        render(small_cloud(generator), CAMERAS, torch.zeros(3, 3), 0, backend="gsplat")
