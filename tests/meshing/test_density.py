"""The density field and its surface, against the closed form."""

import math

import pytest
import torch
from analytic import box_cloud, sphere_cloud
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.initialization import from_points
from splatdream.meshing import density_grid, gaussian_sums
from splatdream.meshing.density_grid import covariances, dense_grid, density_slabs, enclosing_grid
from splatdream.meshing.gaussian_sums import GaussianBumps, sum_on_grid
from splatdream.meshing.marching_cubes import isosurface
from splatdream.meshing.mesh import unique_edges
from splatdream.meshing.threshold import automatic_threshold, orthographic_alphas


def random_cloud(num_points: int, generator: torch.Generator) -> GaussianCloud:
    cloud = from_points(0.4 * torch.randn(num_points, 3, generator=generator), opacity=0.5, scale=0.1)
    cloud.quats = torch.randn(num_points, 4, generator=generator)
    cloud.log_scales = cloud.log_scales + 0.4 * torch.randn(num_points, 3, generator=generator)
    cloud.opacity_logits = torch.randn(num_points, generator=generator)
    return cloud


def test_block_sums_equal_the_sum_over_every_gaussian_at_every_point(generator):
    cloud = random_cloud(40, generator)
    grid = enclosing_grid(cloud, 24)
    points = torch.cartesian_prod(*[torch.arange(n) for n in grid.shape]).float()
    offsets = grid.to_world(points)[:, None] - cloud.means
    precision = torch.linalg.inv(covariances(cloud, 0.5 * grid.step))
    exponents = -0.5 * torch.einsum("pni,nij,pnj->pn", offsets, precision, offsets)
    expected = (cloud.opacities * exponents.exp()).sum(1).reshape(grid.shape)
    # Each of the 40 Gaussians may be cut off below 1e-3.
    torch.testing.assert_close(dense_grid(cloud, grid), expected, rtol=1e-3, atol=5e-3)


def test_sums_do_not_depend_on_how_many_pairs_are_listed_at_a_time(generator, monkeypatch):
    cloud = random_cloud(30, generator)
    grid = enclosing_grid(cloud, 24)
    whole = dense_grid(cloud, grid)
    monkeypatch.setattr(gaussian_sums, "_LISTED_PAIRS", 7)
    torch.testing.assert_close(dense_grid(cloud, grid), whole)


def test_slabs_share_a_layer_and_together_are_the_whole_grid(generator, monkeypatch):
    cloud = random_cloud(30, generator)
    grid = enclosing_grid(cloud, 40)
    whole = dense_grid(cloud, grid)
    monkeypatch.setattr(density_grid, "_SLAB_BYTES", 1)
    slabs = list(density_slabs(cloud, grid))
    assert len(slabs) > 3
    for start, slab in slabs:
        torch.testing.assert_close(slab, whole[start : start + len(slab)], rtol=0, atol=2e-3)
    thin = torch.cat([slabs[0][1], *[slab[1:] for _, slab in slabs[1:]]])
    assert thin.shape == whole.shape


@pytest.mark.parametrize("resolution", [32, 64])
def test_surface_of_one_gaussian_is_the_sphere_of_the_closed_form(resolution):
    # opacity exp(-r^2 / 2 s^2) = t, hence r = s sqrt(2 ln(opacity / t)).
    cloud = from_points(torch.tensor([[0.3, -0.2, 0.1]]), opacity=0.8, scale=0.2)
    grid = enclosing_grid(cloud, resolution)
    mesh = isosurface(density_slabs(cloud, grid), grid, threshold=0.3)
    radii = (mesh.vertices - cloud.means).norm(dim=1)
    expected = 0.2 * math.sqrt(2 * math.log(0.8 / 0.3))
    assert (radii - expected).abs().max() < 0.02 * grid.step
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * expected**3, rel=0.02)


def test_surface_cut_into_slabs_is_closed_and_the_same(generator, monkeypatch):
    cloud = random_cloud(30, generator)
    grid = enclosing_grid(cloud, 48)
    whole = isosurface(density_slabs(cloud, grid), grid, 0.3)
    monkeypatch.setattr(density_grid, "_SLAB_BYTES", 1)
    cut = isosurface(density_slabs(cloud, grid), grid, 0.3)
    assert (unique_edges(cut.faces)[2] == 2).all()
    assert cut.volume == pytest.approx(whole.volume, rel=1e-3)


def test_orthographic_opacity_of_one_gaussian_is_its_projection():
    bumps = GaussianBumps(
        torch.tensor([[8.0, 9.0, 10.0]]), torch.diag(torch.tensor([4.0, 9.0, 1.0]))[None], torch.tensor([0.7])
    )
    alphas = orthographic_alphas(bumps, (16, 18, 20), axis=0)
    assert alphas.shape == (18, 20)
    assert alphas[9, 10].item() == pytest.approx(0.7, abs=1e-5)
    assert alphas[12, 11].item() == pytest.approx(0.7 * math.exp(-0.5 * (1 + 1)), abs=1e-5)


def test_two_layers_of_opacity_compose_like_glass():
    means, spread = torch.tensor([[4.0, 8.0, 8.0], [12.0, 8.0, 8.0]]), torch.eye(3).expand(2, 3, 3)
    alphas = orthographic_alphas(GaussianBumps(means, spread, torch.tensor([0.5, 0.5])), (16, 16, 16), axis=0)
    assert alphas[8, 8].item() == pytest.approx(0.75, abs=1e-5)


def test_automatic_threshold_finds_the_outline_of_a_solid_box():
    # The sum over an infinite grid of spacing h is nearly constant inside; at the outline it has fallen to half, where
    # the opacity of 20 layers is still near 1: the level must lie well below half of the inside.
    cloud = box_cloud()
    threshold = automatic_threshold(cloud)
    grid = enclosing_grid(cloud, 64)
    densities = dense_grid(cloud, grid)
    sigma = 0.6 * 0.8 / 19
    surface = isosurface(density_slabs(cloud, grid), grid, threshold)
    half_width = surface.bounds[1].mean().item()
    assert threshold < 0.5 * densities.max().item()
    assert 0.4 + sigma < half_width < 0.4 + 3 * sigma


def test_automatic_threshold_does_not_depend_on_place_and_size():
    cloud = sphere_cloud(400, scale=0.05)
    moved = GaussianCloud(
        **{**cloud.tensors(), "means": 3 * cloud.means + 7.0, "log_scales": cloud.log_scales + math.log(3)}
    )
    assert automatic_threshold(moved) == pytest.approx(automatic_threshold(cloud), rel=0.05)


def test_a_far_floater_does_not_stretch_the_grid():
    cloud = sphere_cloud(500)
    with_floater = GaussianCloud(**{name: torch.cat([t, t[:1]]) for name, t in cloud.tensors().items()})
    with_floater.means = torch.cat([cloud.means, torch.tensor([[80.0, 0, 0]])])
    assert enclosing_grid(with_floater, 64).step == pytest.approx(enclosing_grid(cloud, 64).step, rel=0.05)


def test_flat_gaussians_do_not_slip_between_grid_points():
    cloud = from_points(torch.tensor([[0.0, 0.0, 0.0]]), opacity=0.9, scale=0.3)
    cloud.log_scales = torch.tensor([[0.3, 0.3, 1e-5]]).log()
    grid = enclosing_grid(cloud, 32)
    assert dense_grid(cloud, grid).max() > 0.5


def test_sums_in_the_plane_are_sums_in_the_plane():
    bumps = GaussianBumps(torch.tensor([[3.0, 4.0]]), torch.eye(2)[None], torch.tensor([1.0]))
    grid = sum_on_grid(bumps, (1, 0), (5, 9))
    assert grid.shape == (5, 9)
    assert grid[2, 4].item() == pytest.approx(1.0)
    assert grid[0, 4].item() == pytest.approx(math.exp(-2.0), abs=1e-6)
