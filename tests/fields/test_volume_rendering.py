"""The sums along rays against closed forms and against nerfacc's own."""

import nerfacc
import pytest
import torch
from splatdream.fields.ray_samples import RaySamples
from splatdream.fields.volume_rendering import along_rays, weights_along_rays


def batched(num_rays: int = 7, num_samples: int = 20):
    generator = torch.Generator().manual_seed(0)
    edges = torch.rand(num_rays, num_samples + 1, generator=generator).cumsum(1)
    densities = 5 * torch.rand(num_rays, num_samples, generator=generator).square()
    colors = torch.rand(num_rays, num_samples, 3, generator=generator)
    return edges[:, :-1], edges[:, 1:], densities, colors


def flattened(starts: torch.Tensor, ends: torch.Tensor) -> RaySamples:
    rays = torch.arange(len(starts))[:, None].expand_as(starts)
    return RaySamples(rays.reshape(-1), starts.reshape(-1), ends.reshape(-1))


def test_samples_in_one_row_give_what_nerfacc_gives_ray_by_ray_with_gradients():
    starts, ends, densities, colors = batched()
    theirs, ours = (densities.clone().requires_grad_() for _ in range(2))
    rgb, opacity, _, extras = nerfacc.rendering(starts, ends, rgb_sigma_fn=lambda *_: (colors, theirs))
    samples = flattened(starts, ends)
    weights = weights_along_rays(samples, ours.reshape(-1), len(starts))
    torch.testing.assert_close(weights.view_as(densities), extras["weights"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(along_rays(samples, weights, 7, colors.reshape(-1, 3)), rgb, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(along_rays(samples, weights, 7), opacity, rtol=1e-5, atol=1e-6)
    rgb.square().sum().backward()
    along_rays(samples, weights, 7, colors.reshape(-1, 3)).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_samples_that_are_left_out_are_empty_space():
    starts, ends, densities, _ = batched()
    is_kept = torch.rand(densities.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    is_kept[3] = False
    expected = nerfacc.render_weight_from_density(starts, ends, densities * is_kept)[0]
    weights = weights_along_rays(flattened(starts, ends).chosen(is_kept.reshape(-1)), densities[is_kept], 7)
    torch.testing.assert_close(weights, expected[is_kept], rtol=1e-5, atol=1e-6)


def test_fog_of_one_density_has_the_opacity_of_its_thickness():
    edges = torch.linspace(1, 3, 41)[None]
    samples = flattened(edges[:, :-1], edges[:, 1:])
    opacity = along_rays(samples, weights_along_rays(samples, torch.full((40,), 0.7), 2), 2)
    assert float(opacity[0]) == pytest.approx(1 - torch.exp(torch.tensor(-1.4)).item(), rel=1e-5)
    assert float(opacity[1]) == 0  # a ray without samples


def test_opaque_matter_before_a_ray_costs_the_next_ray_no_precision():
    # 40,000 opaque rays come first, in whose running sum a thin ray of single precision would drown.
    starts = torch.arange(20.0).expand(40_001, 20)
    densities = torch.full((40_001, 20), 50.0)
    densities[-1] = 1e-3
    samples = flattened(starts, starts + 1)
    weights = weights_along_rays(samples, densities.reshape(-1), 40_001)
    expected = nerfacc.render_weight_from_density(starts[-1:], starts[-1:] + 1, densities[-1:])[0][0]
    torch.testing.assert_close(weights[-20:], expected)
