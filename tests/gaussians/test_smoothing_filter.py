"""The 3D filter against the convolution of Gaussians, its limits."""

import math

import pytest
import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.rotations import quat_to_matrix
from splatdream.gaussians.smoothing_filter import filter_scale, filtered


def random_cloud(generator: torch.Generator, num_gaussians: int = 7) -> GaussianCloud:
    kwargs = {"generator": generator, "dtype": torch.float64}
    return GaussianCloud(
        means=0.3 * torch.randn(num_gaussians, 3, **kwargs),
        log_scales=-2 + 0.7 * torch.randn(num_gaussians, 3, **kwargs),
        quats=torch.randn(num_gaussians, 4, **kwargs),
        opacity_logits=2 * torch.randn(num_gaussians, **kwargs),
        sh0=torch.randn(num_gaussians, 1, 3, **kwargs),
        shN=torch.zeros(num_gaussians, 0, 3, dtype=torch.float64),
    )


def covariances(cloud: GaussianCloud) -> torch.Tensor:
    axes = quat_to_matrix(cloud.quats) * cloud.scales[:, None]
    return axes @ axes.mT


def test_filtering_is_the_convolution_with_an_isotropic_gaussian(generator):
    cloud, scales = random_cloud(generator), torch.rand(7, generator=generator, dtype=torch.float64)
    result = filtered(cloud, scales)
    # Fourier transforms multiply: opacity sqrt(det) exp(-k^T covariance k / 2) times exp(-f^2 k^2 / 2).
    k = 3 * torch.randn(50, 3, generator=generator, dtype=torch.float64)

    def spectrum(cloud: GaussianCloud) -> torch.Tensor:
        covariance = covariances(cloud)
        mass = cloud.opacities * torch.linalg.det(covariance).sqrt()
        return mass * torch.exp(-0.5 * torch.einsum("ki,nij,kj->kn", k, covariance, k))

    low_pass = torch.exp(-0.5 * scales**2 * k.square().sum(dim=-1, keepdim=True))
    torch.testing.assert_close(spectrum(result), spectrum(cloud) * low_pass)


def test_two_filters_are_one_of_the_summed_variance(generator):
    cloud = random_cloud(generator)
    once = filtered(cloud, torch.full((7,), math.hypot(0.1, 0.2), dtype=torch.float64))
    twice = filtered(filtered(cloud, torch.full((7,), 0.1).double()), torch.full((7,), 0.2).double())
    torch.testing.assert_close(twice.tensors(), once.tensors())


def test_no_filter_changes_nothing_even_where_opaque(generator):
    cloud = random_cloud(generator)
    cloud.opacity_logits[:2] = torch.tensor([25.0, -25.0])
    result = filtered(cloud, torch.zeros(7, dtype=torch.float64))
    torch.testing.assert_close(result.tensors(), cloud.tensors())


def test_gradients_agree_with_central_differences(generator):
    cloud, scales = random_cloud(generator), torch.rand(7, generator=generator, dtype=torch.float64)
    scales[0] = 0

    def numbers(log_scales: torch.Tensor, opacity_logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        changed = {**cloud.tensors(), "log_scales": log_scales, "opacity_logits": opacity_logits}
        result = filtered(GaussianCloud(**changed), scales)
        return result.scales, result.opacities

    inputs = (cloud.log_scales.requires_grad_(), cloud.opacity_logits.requires_grad_())
    assert torch.autograd.gradcheck(numbers, inputs)


def test_the_filter_is_as_wide_as_pixels_are_far_apart():
    assert filter_scale(0.1, 0.2) == pytest.approx(0.1 * math.sqrt(0.2))
    assert filter_scale(0.1, 0.0) == filter_scale(0.0) == 0
    with pytest.raises(ValueError, match=r"smoothing -1 must not be negative"):
        filter_scale(0.1, -1)
