"""Units of the statistics: those of gsplat, independent of resolution and batch size."""

from types import SimpleNamespace

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.densification.statistics import DensificationState, accumulate, is_visible, view_gradient_norms
from splatdream.gaussians.initialization import ball
from splatdream.rendering.reference import rasterization


def render_gradient(size: int, azimuths_deg: list[float], generator: torch.Generator) -> tuple[dict, torch.Tensor]:
    """Screen gradients of a loss that is a mean over pixels and views, for one smooth scene."""
    cloud = ball(12, 0.4, generator, scale=0.15, opacity=0.4)
    cameras = orbit_cameras([10.0] * len(azimuths_deg), azimuths_deg, width=size, height=size)
    colors = torch.rand(12, 3, generator=generator)
    cloud.means.requires_grad_()
    rgb, _, info = rasterization(
        cloud.means,
        cloud.quats,
        cloud.scales,
        cloud.opacities,
        colors,
        cameras.viewmats,
        cameras.Ks,
        size,
        size,
        eps2d=0.0,
    )
    ramp = torch.linspace(0, 1, size)[None, None, :, None]
    (rgb * ramp).square().mean().backward()
    return info, info["means2d"].grad


def test_sums_and_counts_are_those_of_gsplat(generator):
    gsplat = pytest.importorskip("gsplat")
    grad = torch.randn(3, 7, 2, generator=generator)
    radii = torch.randint(0, 4, (3, 7, 2), generator=generator, dtype=torch.int32)
    state = DensificationState()
    accumulate(state, grad, radii, 64, 48)

    info = {"width": 64, "height": 48, "n_cameras": 3, "radii": radii, "gaussian_ids": None}
    info["means2d"] = SimpleNamespace(grad=grad.clone())
    theirs = {"grad2d": None, "count": None, "scene_scale": 1.0, "radii": None}
    strategy = gsplat.DefaultStrategy(refine_scale2d_stop_iter=1)
    strategy._update_state({"means": torch.zeros(7, 3)}, theirs, info)
    torch.testing.assert_close(state.gradient_norm_sums, theirs["grad2d"])
    torch.testing.assert_close(state.view_counts, theirs["count"])
    torch.testing.assert_close(state.max_screen_fractions, theirs["radii"])


def test_the_gradient_does_not_depend_on_the_resolution():
    small, large = (
        view_gradient_norms(render_gradient(size, [30.0], torch.Generator().manual_seed(0))[1], size, size)
        for size in (32, 96)
    )
    torch.testing.assert_close(small, large, rtol=0.05, atol=1e-4)


def test_the_gradient_does_not_depend_on_the_number_of_views():
    one, four = (
        view_gradient_norms(render_gradient(32, [30.0] * count, torch.Generator().manual_seed(0))[1], 32, 32)
        for count in (1, 4)
    )
    torch.testing.assert_close(four, one.expand(4, -1))


def test_views_that_do_not_see_a_gaussian_do_not_count():
    grad = torch.tensor([[[3.0, 4.0]], [[1.0, 0.0]]])  # two views of one Gaussian
    radii = torch.tensor([[[5, 2]], [[0, 0]]], dtype=torch.int32)
    assert is_visible(radii).tolist() == [[True], [False]]
    state = DensificationState()
    accumulate(state, grad, radii, 2, 2)
    accumulate(state, grad, radii, 2, 2)
    # Half the image is one pixel, times two views.
    assert state.gradient_norm_sums.item() == 20 and state.view_counts.item() == 2
    assert state.mean_gradient_norms.item() == 10
    assert state.max_screen_fractions.item() == 2.5


def test_a_gaussian_never_seen_has_no_gradient():
    state = DensificationState()
    accumulate(state, torch.ones(1, 2, 2), torch.tensor([[[1, 1], [0, 1]]]), 4, 4)
    assert state.mean_gradient_norms.tolist() == [pytest.approx(8**0.5), 0.0]


def test_statistics_survive_a_checkpoint(tmp_path, generator):
    state, copy = DensificationState(), DensificationState()
    accumulate(state, torch.randn(2, 5, 2, generator=generator), torch.ones(2, 5, 2), 8, 8)
    torch.save(state.state_dict(), tmp_path / "state.pt")
    copy.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for more in (state, copy):
        accumulate(more, torch.ones(2, 5, 2), torch.ones(2, 5, 2), 8, 8)
    assert all(torch.equal(a, b) for a, b in zip(state.state_dict().values(), copy.state_dict().values(), strict=True))


def test_rows_that_changed_behind_its_back_are_noticed():
    state = DensificationState()
    accumulate(state, torch.ones(1, 5, 2), torch.ones(1, 5, 2), 8, 8)
    with pytest.raises(ValueError, match="5 Gaussians cannot take a gradient of 6"):
        accumulate(state, torch.ones(1, 6, 2), torch.ones(1, 6, 2), 8, 8)
