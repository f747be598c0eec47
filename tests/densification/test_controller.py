"""When rows come and go, which, and what becomes of the optimizer."""

import copy

import pytest
import torch
from splatdream.cameras.batch import CameraBatch, orbit_cameras
from splatdream.densification.controller import DensificationConfig, DensificationController
from splatdream.densification.statistics import DensificationState, accumulate
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.initialization import ball
from splatdream.gaussians.optimizer_groups import make_adam
from splatdream.gaussians.row_surgery import cloud_of
from splatdream.rendering.reference import rasterization
from torch import nn

RATES = {"means": 1e-3, "log_scales": 1e-3, "quats": 1e-3, "opacity_logits": 1e-3, "sh0": 1e-2, "shN": 1e-3}
SETTINGS = {"refine_from": 2, "refine_until": 20, "refine_every": 2, "gradient_threshold": 1.0, "split_scale": 0.1}


def controller(**settings: object) -> DensificationController:
    return DensificationController(DensificationConfig(**{**SETTINGS, **settings}))


def trained(num_points: int = 6) -> tuple[dict[str, nn.Parameter], torch.optim.Adam]:
    """A cloud after some steps of Adam on a loss that treats rows alike."""
    cloud = ball(num_points, 0.5, torch.Generator().manual_seed(0), scale=0.05, opacity=0.5, sh_degree=1)
    params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
    optimizer = make_adam(params, RATES)
    for _ in range(3):
        optimizer.zero_grad()
        sum(((tensor - 0.1) ** 2).sum() for tensor in cloud_of(params).tensors().values()).backward()
        optimizer.step()
    return params, optimizer


def with_gradients(subject: DensificationController, norms: list[float], radius_px: int = 1):
    """A state in which the Gaussians have these mean gradient norms, per NDC unit."""
    state = DensificationState()
    grad = torch.tensor([[[norm, 0.0] for norm in norms]])
    accumulate(state, grad, torch.full((1, len(norms), 2), radius_px, dtype=torch.int32), 2, 2)
    return state


def never() -> torch.Tensor:
    raise AssertionError("contributions were asked for though the cap is far")


def test_refinements_are_due_between_their_bounds():
    subject = controller(refine_from=4, refine_until=10, refine_every=3)
    assert [step for step in range(20) if subject.is_due(step)] == [6, 9]
    assert subject.is_collecting(10) and not subject.is_collecting(11)


def test_small_gaussians_with_gradient_are_cloned_large_ones_split_and_the_others_left(generator):
    params, optimizer = trained(4)
    with torch.no_grad():
        params["log_scales"][1, 2] = 0.0  # longer than split_scale
        params["log_scales"][3, 2] = 0.0
    before = {name: param.detach().clone() for name, param in params.items()}
    subject = controller()
    state = with_gradients(subject, [2.0, 2.0, 0.5, 0.5])
    report = subject.refine(2, params, optimizer, state, generator, never)
    assert (report.num_cloned, report.num_split, report.num_pruned, report.num_gaussians) == (1, 1, 0, 6)
    # Rows that stay: 0, 2, 3. Then the twin of 0, then the halves of 1.
    torch.testing.assert_close(params["means"][:4], before["means"][[0, 2, 3, 0]], rtol=0, atol=0)
    torch.testing.assert_close(params["means"][4:].mean(dim=0), before["means"][1])
    assert torch.equal(params["opacity_logits"][0], params["opacity_logits"][3])
    assert torch.equal(params["opacity_logits"][1:3], before["opacity_logits"][2:])
    assert len(state.view_counts) == 0


def test_moments_of_rows_that_stay_survive_and_new_rows_start_from_zero(generator):
    params, optimizer = trained(4)
    moments = {name: optimizer.state[param]["exp_avg"].clone() for name, param in params.items()}
    subject = controller()
    subject.refine(2, params, optimizer, with_gradients(subject, [0.0, 2.0, 0.0, 0.0]), generator, never)
    for name, param in params.items():
        new = optimizer.state[param]["exp_avg"]
        torch.testing.assert_close(new[:4], moments[name], rtol=0, atol=0)
        assert new.shape == param.shape and not new[4:].any()


def test_transparent_and_large_gaussians_are_pruned(generator):
    params, optimizer = trained(5)
    with torch.no_grad():
        params["opacity_logits"][0] = -10
        params["log_scales"][2, 1] = 1.0
    subject = controller(max_scale=1.5, max_screen_fraction=0.9)
    state = with_gradients(subject, [5.0, 0.0, 5.0, 0.0, 0.0])
    state.max_screen_fractions = torch.tensor([0.1, 0.1, 0.1, 0.1, 2.0])
    survivors = params["means"].detach()[[1, 3]].clone()
    report = subject.refine(2, params, optimizer, state, generator, never)
    assert report.num_pruned == 3 and report.num_cloned == report.num_split == 0
    assert torch.equal(params["means"], survivors)


def test_under_the_cap_the_largest_gradients_grow_and_negligible_gaussians_make_room(generator):
    params, optimizer = trained(6)
    means = params["means"].detach().clone()
    subject = controller(max_num_gaussians=7, max_displaced_share=0.02)
    state = with_gradients(subject, [0.0, 2.0, 0.0, 3.0, 4.0, 5.0])
    # Row 2 holds 1 % of the picture, rows 2 and 0 hold 3 %. One place is free, row 2 gives another; row 5 would like
    # to grow most of all.
    contributions = torch.tensor([0.2, 3.0, 0.1, 3.0, 1.7, 2.0])
    report = subject.refine(2, params, optimizer, state, generator, lambda: contributions)
    assert (report.num_displaced, report.num_cloned, report.num_gaussians) == (1, 2, 7)
    torch.testing.assert_close(params["means"].detach(), means[[0, 1, 3, 4, 5, 4, 5]])
    assert all(len(optimizer.state[param]["exp_avg"]) == 7 for param in params.values())


def test_a_cloud_above_the_cap_is_cut_down_to_those_that_contribute_most(generator):
    params, optimizer = trained(6)
    means = params["means"].detach().clone()
    subject = controller(max_num_gaussians=3)
    contributions = torch.tensor([0.2, 3.0, 0.1, 3.0, 1.7, 2.0])
    report = subject.refine(2, params, optimizer, with_gradients(subject, [9.0] * 6), generator, lambda: contributions)
    assert (report.num_displaced, report.num_cloned, report.num_gaussians) == (3, 0, 3)
    torch.testing.assert_close(params["means"].detach(), means[[1, 3, 5]])


def test_the_cap_holds_and_nobody_fades_however_long_everything_asks_for_more(generator):
    def footprints() -> torch.Tensor:
        cloud = cloud_of(params).detach()
        return cloud.opacities * cloud.scales.square().sum(dim=-1)

    params, optimizer = trained(6)
    before = footprints().sum()
    subject = controller(max_num_gaussians=20, max_displaced_share=0.05)
    sizes = []
    for step in range(2, 20, 2):
        state = with_gradients(subject, [9.0] * len(params["means"]))
        subject.refine(step, params, optimizer, state, generator, footprints)
        sizes.append(len(params["means"]))
    assert sizes[0] == 12 and set(sizes[1:]) == {20}
    assert footprints().sum() > 0.6 * before


def test_an_opacity_reset_caps_opacities_and_clears_their_moments_only(generator):
    params, optimizer = trained(4)
    subject = controller(opacity_reset_every=4, opacity_reset_to=0.2)
    assert not subject.refine(
        2, params, optimizer, with_gradients(subject, [0.0] * 4), generator, never
    ).has_reset_opacities
    report = subject.refine(4, params, optimizer, with_gradients(subject, [0.0] * 4), generator, never)
    assert report.has_reset_opacities
    torch.testing.assert_close(cloud_of(params).opacities.detach(), torch.full((4,), 0.2))
    assert not optimizer.state[params["opacity_logits"]]["exp_avg"].any()
    assert optimizer.state[params["means"]]["exp_avg"].any()


def test_a_refinement_without_views_only_prunes(generator):
    params, optimizer = trained(3)
    subject = controller(max_screen_fraction=0.1)
    report = subject.refine(2, params, optimizer, DensificationState(), generator, never)
    assert report.num_gaussians == 3


def test_a_cloud_that_would_vanish_is_an_error(generator):
    params, optimizer = trained(3)
    with torch.no_grad():
        params["opacity_logits"].fill_(-20)
    subject = controller()
    with pytest.raises(ValueError, match="all 3 Gaussians are to be pruned at step 2"):
        subject.refine(2, params, optimizer, DensificationState(), generator, never)
    assert len(params["means"]) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"refine_every": 0}, "refine_every"),
        ({"max_num_gaussians": 0}, "max_num_gaussians"),
        ({"opacity_reset_every": 3}, "multiple"),
        ({"opacity_reset_to": 0.001}, "opacity_reset_to"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        controller(**settings)


def picture(cloud: GaussianCloud, cameras: CameraBatch) -> tuple[torch.Tensor, dict]:
    splats = (cloud.means, cloud.quats, cloud.scales, cloud.opacities, cloud.sh)
    size = (cameras.width, cameras.height)
    rgb, _, info = rasterization(*splats, cameras.viewmats, cameras.Ks, *size, sh_degree=cloud.sh_degree)
    return rgb, info


def photometric_step(params, optimizer, subject, state, target: torch.Tensor, azimuth_deg: float) -> None:
    cameras = orbit_cameras([0.0], [azimuth_deg], width=32, height=32)
    cloud = cloud_of(params)
    rgb, _, info = rasterization(
        cloud.means,
        cloud.quats,
        cloud.scales,
        cloud.opacities,
        cloud.sh,
        cameras.viewmats,
        cameras.Ks,
        32,
        32,
        sh_degree=1,
    )
    optimizer.zero_grad()
    (rgb - target).square().mean().backward()
    accumulate(state, info["means2d"].grad, info["radii"], 32, 32)
    optimizer.step()


def test_rows_grow_where_the_gradient_is():
    # Gaussians on a line along y; only the right part of the picture (+y) is wrong.
    y = torch.linspace(-0.6, 0.6, 13)
    cloud = ball(13, 0.1, torch.Generator().manual_seed(0), scale=0.05, opacity=0.5, sh_degree=1)
    cloud.means = torch.stack([torch.zeros(13), y, torch.zeros(13)], dim=1)
    params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
    optimizer = make_adam(params, dict.fromkeys(RATES, 0.0))
    cameras = orbit_cameras([0.0], [0.0], width=32, height=32)
    with torch.no_grad():
        target, _, _ = rasterization(
            cloud.means,
            cloud.quats,
            cloud.scales,
            cloud.opacities,
            cloud.sh,
            cameras.viewmats,
            cameras.Ks,
            32,
            32,
            sh_degree=1,
        )
    target[:, :, 22:] += torch.linspace(0, 1, 32)[None, :, None, None]
    subject = controller(gradient_threshold=1e-3)
    state = DensificationState()
    photometric_step(params, optimizer, subject, state, target, azimuth_deg=0.0)
    report = subject.refine(2, params, optimizer, state, torch.Generator().manual_seed(0), never)
    assert report.num_cloned > 0
    assert (params["means"][13:, 1] > 0.2).all()


def test_a_resumed_run_refines_like_the_uninterrupted_one():
    def run(params, optimizer, state, subject, steps) -> None:
        target = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(5))
        for step in steps:
            photometric_step(params, optimizer, subject, state, target, azimuth_deg=40.0 * step)
            if subject.is_due(step):
                generator = torch.Generator().manual_seed(step)
                subject.refine(step, params, optimizer, state, generator, never)

    subject = controller(refine_every=3, gradient_threshold=1e-3, split_scale=0.05)
    params, optimizer = trained(6)
    state = DensificationState()
    run(params, optimizer, state, subject, range(1, 5))
    saved = copy.deepcopy((cloud_of(params).detach(), optimizer.state_dict(), state.state_dict()))
    run(params, optimizer, state, subject, range(5, 9))

    resumed = {name: nn.Parameter(tensor) for name, tensor in saved[0].tensors().items()}
    resumed_optimizer, resumed_state = make_adam(resumed, RATES), DensificationState()
    resumed_optimizer.load_state_dict(saved[1])
    resumed_state.load_state_dict(saved[2])
    run(resumed, resumed_optimizer, resumed_state, subject, range(5, 9))
    assert len(params["means"]) > 6
    for name, param in params.items():
        assert torch.equal(param, resumed[name]), name


def test_refining_a_real_cloud_hardly_changes_its_picture(generator):
    cloud = ball(60, 0.4, torch.Generator().manual_seed(0), opacity=0.5, color_std=0.3)
    params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
    cameras = orbit_cameras([10.0, 40.0], [20.0, 200.0], width=48, height=48)
    before, _ = picture(cloud_of(params), cameras)
    subject = controller(split_scale=cloud.scales.median().item())
    report = subject.refine(2, params, None, with_gradients(subject, [2.0] * 60), generator, never)
    assert report.num_cloned > 20 and report.num_split > 20 and len(params["means"]) == 120
    error = (picture(cloud_of(params), cameras)[0] - before).square().mean()
    assert -10 * torch.log10(error) > 25  # dB
