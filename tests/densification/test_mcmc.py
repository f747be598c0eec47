"""Transparent Gaussians move to opaque ones, the cloud grows to its cap, and the optimizer follows."""

import math

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.cameras.random_streams import generator_for
from splatdream.densification.mcmc import MCMCConfig, MCMCRefinement
from splatdream.gaussians.initialization import ball
from splatdream.gaussians.optimizer_groups import make_adam
from splatdream.gaussians.row_surgery import cloud_of
from splatdream.rendering.reference import rasterization
from torch import nn

RATES = {"means": 1e-3, "log_scales": 1e-3, "quats": 1e-3, "opacity_logits": 1e-3, "sh0": 1e-2, "shN": 1e-3}
SETTINGS = {"refine_from": 2, "refine_until": 20, "refine_every": 2, "noise_lr": 0.0}


def trained(opacities: list[float]) -> tuple[dict[str, nn.Parameter], torch.optim.Adam]:
    """A cloud with moments of Adam."""
    cloud = ball(len(opacities), 0.5, torch.Generator().manual_seed(0), scale=0.05)
    cloud.opacity_logits = torch.logit(torch.tensor(opacities))
    params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
    optimizer = make_adam(params, dict.fromkeys(RATES, 0.0))
    sum((tensor**2).sum() for tensor in cloud_of(params).tensors().values()).backward()
    optimizer.step()
    for group in optimizer.param_groups:
        group["lr"] = RATES[group["name"]]
    return params, optimizer


def refined(opacities: list[float], step: int = 2, seed: int = 0, **settings: object):
    params, optimizer = trained(opacities)
    report = MCMCRefinement(MCMCConfig(**{**SETTINGS, **settings}), seed, params).refine(step, optimizer)
    return params, optimizer, {name.removeprefix("densification/"): value for name, value in report.items()}


def test_transparent_gaussians_go_where_opaque_ones_are_and_the_count_stays():
    before, _ = trained([0.5, 0.001, 0.9, 0.002, 0.7])
    params, _, report = refined([0.5, 0.001, 0.9, 0.002, 0.7], growth=0.0)
    assert report == {"num_relocated": 2, "num_copies": 2, "num_gaussians": 5}
    assert torch.equal(params["means"][:3], before["means"][[0, 2, 4]])
    parents = [int((before["means"] == center).all(dim=1).nonzero()) for center in params["means"][3:]]
    assert set(parents) <= {0, 2, 4}
    # At every center the opacities together are what they were.
    opacities = cloud_of(params).opacities
    for row, old in ((0, 0.5), (2, 0.9), (4, 0.7)):
        here = (params["means"] == before["means"][row]).all(dim=1)
        assert 1 - math.prod((1 - opacities[here]).tolist()) == pytest.approx(old, abs=1e-5)


def test_moments_of_rows_that_stay_survive_and_those_of_copies_start_from_zero():
    before, earlier = trained([0.5, 0.001, 0.9, 0.7])
    params, optimizer, _ = refined([0.5, 0.001, 0.9, 0.7], growth=0.5)
    for name, param in params.items():
        moments = optimizer.state[param]["exp_avg"]
        assert moments.shape == param.shape
        assert torch.equal(moments[:3], earlier.state[before[name]]["exp_avg"][[0, 2, 3]])
        assert not moments[3:].any()


def test_parents_are_drawn_in_proportion_to_their_opacity():
    params, _, _ = refined([0.2, 0.4, 0.8] + [0.001] * 6000, growth=0.0)
    copies = params["means"][3:]
    shares = [(copies == params["means"][row]).all(dim=1).float().mean().item() for row in range(3)]
    assert shares == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=0.03)


def test_the_cloud_grows_by_its_share_up_to_the_cap_and_never_beyond():
    params, optimizer = trained([0.5] * 40)
    subject = MCMCRefinement(MCMCConfig(**{**SETTINGS, "growth": 0.25, "max_num_gaussians": 70}), 0, params)
    sizes = []
    for step in range(1, 10):
        subject.refine(step, optimizer)
        sizes.append(len(params["means"]))
    assert sizes == [40, 50, 50, 62, 62, 70, 70, 70, 70]


def test_a_cloud_above_the_cap_keeps_its_most_opaque_gaussians():
    before, _ = trained([0.5, 0.2, 0.9, 0.4, 0.3])
    params, _, report = refined([0.5, 0.2, 0.9, 0.4, 0.3], max_num_gaussians=3)
    assert report["num_gaussians"] == 3
    assert torch.equal(params["means"], before["means"][[0, 2, 3]])


def test_noise_moves_transparent_centers_after_every_step_and_follows_the_learning_rate():
    def moved(step: int, noise_lr: float = 1e4) -> torch.Tensor:
        before, _ = trained([0.006, 0.5])
        params, _, report = refined([0.006, 0.5], step=step, refine_from=10, noise_lr=noise_lr)
        assert not report
        return (params["means"] - before["means"]).detach()

    first = moved(1)
    assert first[0].norm() > 1e-3 > 1e3 * first[1].norm()
    assert torch.equal(first, moved(1)) and not torch.equal(first, moved(3))
    torch.testing.assert_close(moved(1, 2e4), 2 * first, rtol=1e-3, atol=1e-6)


def test_refining_a_real_cloud_hardly_changes_its_picture():
    def picture() -> torch.Tensor:
        cloud = cloud_of(params).detach()
        splats = (cloud.means, cloud.quats, cloud.scales, cloud.opacities, cloud.sh)
        return rasterization(*splats, cameras.viewmats, cameras.Ks, 48, 48, sh_degree=0)[0]

    cameras = orbit_cameras([10.0, 40.0], [20.0, 200.0], width=48, height=48)
    cloud = ball(60, 0.4, torch.Generator().manual_seed(0), color_std=0.3)
    cloud.opacity_logits = 3 * torch.randn(60, generator=torch.Generator().manual_seed(1))
    params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
    optimizer, before = make_adam(params, RATES), picture()
    config = MCMCConfig(**{**SETTINGS, "min_opacity": 0.02, "growth": 0.3})
    report = MCMCRefinement(config, 0, params).refine(2, optimizer)
    assert report["densification/num_relocated"] >= 3 and len(params["means"]) == 78
    error = (picture() - before).square().mean()
    assert -10 * torch.log10(error) > 30  # dB


def test_a_cloud_without_an_opaque_gaussian_is_an_error():
    with pytest.raises(ValueError, match="all 2 Gaussians are transparent at step 2"):
        refined([0.001, 0.002])


@pytest.mark.parametrize("opacities", [[0.5, 0.3, 0.9, 0.7, 0.2, 0.6], [0.5, 0.001, 0.9, 0.7, 0.002, 0.6]])
def test_rows_after_a_refinement_are_those_of_gsplat(opacities, monkeypatch):
    ops = pytest.importorskip("gsplat.strategy.ops")

    def compute_relocation(opacities, scales, ratios, binoms):
        # Its CUDA kernel, as the paper's equation 9 in Python.
        new_opacities, new_scales = torch.empty_like(opacities), torch.empty_like(scales)
        for row, (opacity, n) in enumerate(zip(opacities.tolist(), ratios.tolist(), strict=True)):
            new = 1 - (1 - opacity) ** (1 / n)
            terms = ((i, k) for i in range(1, n + 1) for k in range(i))
            total = sum(math.comb(i - 1, k) * (-1) ** k * new ** (k + 1) / math.sqrt(k + 1) for i, k in terms)
            new_opacities[row], new_scales[row] = new, scales[row] * opacity / total
        return new_opacities, new_scales

    def multinomial(weights, n, replacement=True):
        return torch.multinomial(weights, n, replacement=replacement, generator=generator_for(0, "relocation", 2))

    monkeypatch.setattr(ops, "compute_relocation", compute_relocation)
    monkeypatch.setattr(ops, "_multinomial_sample", multinomial)
    old = {name: tensor.detach().clone() for name, tensor in trained(opacities)[0].items()}
    theirs = {"scales": old.pop("log_scales"), "opacities": old.pop("opacity_logits"), **old}
    dead = theirs["opacities"].sigmoid() < 0.005
    if dead.any():
        ops.relocate(theirs, {}, {}, dead, torch.zeros(0))
        params, _, _ = refined(opacities, growth=0.0)
    else:
        ops.sample_add(theirs, {}, {}, 3, torch.zeros(0))
        params, _, _ = refined(opacities, growth=0.5)
    ours = {**params, "scales": params["log_scales"], "opacities": params["opacity_logits"]}
    # Ours has copies at the end; theirs has them in the places of those that moved.
    rows, their_rows = by_center(ours), by_center(theirs)
    for name in theirs:
        torch.testing.assert_close(ours[name][rows], theirs[name][their_rows], rtol=1e-4, atol=1e-5)


def by_center(params: dict[str, torch.Tensor]) -> list[int]:
    return sorted(range(len(params["means"])), key=lambda row: params["means"][row].tolist())
