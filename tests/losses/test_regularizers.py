"""Regularizers: values by hand, weights by name."""

from functools import partial

import pytest
import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.losses.regularizers import (
    REGULARIZERS,
    mean_opacity,
    mean_scale,
    opacity_loss,
    position_loss,
    regularization,
    scale_loss,
    total_variation,
)


def two_gaussians() -> GaussianCloud:
    return GaussianCloud(
        means=torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True),
        log_scales=torch.tensor([[3.0, 4.0, 12.0], [1.0, 2.0, 2.0]]).log().requires_grad_(),
        quats=torch.tensor([[1.0, 0, 0, 0]] * 2),
        opacity_logits=torch.zeros(2, requires_grad=True),
        sh0=torch.zeros(2, 1, 3),
        shN=torch.zeros(2, 0, 3),
    )


def test_values_by_hand():
    cloud = two_gaussians()
    assert position_loss(cloud.means).item() == pytest.approx((5 + 1) / 2)
    assert scale_loss(cloud.scales).item() == pytest.approx(24)
    assert mean_opacity(cloud.opacities).item() == pytest.approx(0.5)
    assert mean_scale(cloud.scales).item() == pytest.approx(24 / 6)
    # Opacities of one half; norms of the scales 13 and 3.
    assert opacity_loss(cloud.opacities, cloud.scales).item() == pytest.approx(0.5 * (13 + 3))


def test_the_opacity_term_does_not_shrink_gaussians():
    cloud = two_gaussians()
    opacity_loss(cloud.opacities, cloud.scales).backward()
    assert cloud.log_scales.grad is None and (cloud.opacity_logits.grad > 0).all()


def test_total_variation_of_ramps():
    # A ramp of slope a along x and b along y has squared differences a^2 and b^2 everywhere.
    y, x = torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="ij")
    ramp = (0.3 * x + 0.2 * y)[None, :, :, None].repeat(2, 1, 1, 3)
    assert total_variation(ramp).item() == pytest.approx(2 * (0.3**2 + 0.2**2), rel=1e-5)
    assert total_variation(torch.ones(1, 4, 4, 1)).item() == 0


def test_weights_add_up_and_zero_weights_cost_nothing():
    cloud = two_gaussians()
    terms = {name: partial(term, cloud) for name, term in REGULARIZERS.items()}
    rendered = {"comp_rgb": torch.rand(1, 4, 4, 3)}  # no depth: its weight is 0
    zero = dict.fromkeys(REGULARIZERS, 0.0)
    assert not regularization(terms, rendered, zero).requires_grad
    total = regularization(terms, rendered, {**zero, "position": 2.0, "scales": 0.5})
    assert total.item() == pytest.approx(2 * 3 + 0.5 * 24)
    total.backward()
    torch.testing.assert_close(cloud.log_scales.grad, 0.5 * cloud.scales.detach())
