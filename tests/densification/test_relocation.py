"""Relocation against equation 9 as the paper writes it, integrals and gsplat; noise against gsplat."""

import math

import pytest
import torch
from splatdream.densification.relocation import center_noise, line_integral, shared
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.initialization import ball


def cloud_with(opacities: list[float]) -> GaussianCloud:
    cloud = ball(len(opacities), 0.5, torch.Generator().manual_seed(0), scale=0.1)
    cloud.opacity_logits = torch.logit(torch.tensor(opacities, dtype=torch.float64)).float()
    return cloud


def double_sum(opacity: float, count: int) -> float:
    """The sum of equation 9, arXiv:2404.09591, of an opacity that is the new one already."""
    return sum(
        math.comb(i - 1, k) * (-1) ** k * opacity ** (k + 1) / math.sqrt(k + 1)
        for i in range(1, count + 1)
        for k in range(i)
    )


@pytest.mark.parametrize("count", [1, 2, 3, 10, 51])
def test_the_line_integral_is_the_double_sum_of_equation_9(count):
    opacities = torch.tensor([0.003, 0.05, 0.3], dtype=torch.float64)
    expected = torch.tensor([double_sum(float(opacity), count) for opacity in opacities], dtype=torch.float64)
    actual = line_integral(opacities, torch.full((3,), count, dtype=torch.float64))
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("count", [2, 5, 300])
def test_copies_together_have_the_opacity_in_the_middle_and_the_alpha_along_a_line_of_the_original(count):
    old = cloud_with([0.02, 0.5, 0.95, 0.999])
    new = shared(old, torch.full((4,), count))
    before, after = old.opacity_logits.double().sigmoid(), new.opacity_logits.double().sigmoid()
    torch.testing.assert_close(1 - (1 - after) ** count, before, rtol=1e-4, atol=0)
    # Numerically, along the first axis through the center.
    x = torch.linspace(-2, 2, 20001, dtype=torch.float64)[:, None]
    sigmas = [cloud.log_scales[:, 0].double().exp() for cloud in (old, new)]
    wide = before * torch.exp(-0.5 * (x / sigmas[0]) ** 2)
    together = 1 - (1 - after * torch.exp(-0.5 * (x / sigmas[1]) ** 2)) ** count
    torch.testing.assert_close(together.sum(dim=0), wide.sum(dim=0), rtol=1e-4, atol=0)
    assert torch.equal(new.means, old.means) and torch.equal(new.sh0, old.sh0)


def test_one_in_the_place_of_one_is_the_same():
    old = cloud_with([0.01, 0.6, 0.99])
    new = shared(old, torch.ones(3, dtype=torch.long))
    torch.testing.assert_close(new.log_scales, old.log_scales)
    torch.testing.assert_close(new.opacity_logits, old.opacity_logits)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_relocation_agrees_with_the_kernel_of_gsplat():
    relocation = pytest.importorskip("gsplat.relocation")
    old, counts = cloud_with([0.1, 0.5, 0.9]), torch.tensor([2, 7, 30])
    binomials = torch.tensor([[float(math.comb(n, k)) for k in range(51)] for n in range(51)])
    inputs = [tensor.cuda() for tensor in (old.opacities, old.scales, counts, binomials)]
    opacities, scales = (tensor.cpu() for tensor in relocation.compute_relocation(*inputs))
    new = shared(old, counts)
    torch.testing.assert_close(new.opacities, opacities, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(new.scales, scales, rtol=1e-3, atol=1e-6)


def test_noise_is_that_of_gsplat(monkeypatch):
    ops = pytest.importorskip("gsplat.strategy.ops")
    from gsplat.cuda._torch_impl import _quat_scale_to_covar_preci

    cloud = cloud_with([0.001, 0.005, 0.02, 0.5])
    cloud.quats = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))
    cloud.log_scales = torch.randn(4, 3, generator=torch.Generator().manual_seed(3)) - 2
    normal = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
    # Its covariance is a CUDA kernel, too; what stands in is its own reference.
    monkeypatch.setattr(ops, "quat_scale_to_covar_preci", _quat_scale_to_covar_preci)
    monkeypatch.setattr(ops.torch, "randn_like", lambda tensor: normal)
    params = {"means": cloud.means.clone(), "quats": cloud.quats, "scales": cloud.log_scales}
    params["opacities"] = cloud.opacity_logits
    ops.inject_noise_to_position(params, {}, {}, scaler=80.0)
    noise = center_noise(cloud, 80.0, torch.Generator().manual_seed(5))
    torch.testing.assert_close(cloud.means + noise, params["means"])
    assert noise[:2].norm(dim=1).min() > 1e3 * noise[3].norm()


def test_noise_has_the_standard_deviation_of_the_variances_times_the_gate():
    one = cloud_with([0.005])
    many = GaussianCloud(**{name: tensor.expand(20000, *tensor.shape[1:]) for name, tensor in one.tensors().items()})
    many.quats = torch.tensor([[1.0, 0, 0, 0]]).expand(20000, 4)
    many.log_scales = torch.tensor([[0.3, 0.1, 0.01]]).log().expand(20000, 3)
    noise = center_noise(many, 2.0, torch.Generator().manual_seed(0))
    # At the opacity of 0.005 the gate is half open.
    torch.testing.assert_close(noise.std(dim=0), torch.tensor([0.09, 0.01, 0.0001]), rtol=0.03, atol=0)
