"""Where the first Gaussians are and how large."""

import math

import pytest
import torch
from splatdream.gaussians.initialization import ball, from_points, neighbor_distances
from splatdream.gaussians.rotations import quat_to_matrix
from splatdream.gaussians.spherical_harmonics import sh0_to_rgb


def test_a_ball_is_filled_evenly(generator):
    cloud = ball(20000, 2.0, generator)
    distances = cloud.means.norm(dim=-1)
    assert distances.max() <= 2.0
    # In an even ball the cube of the relative distance is uniform in [0, 1]: mean 1/2, variance 1/12.
    cubes = (distances / 2) ** 3
    assert cubes.mean().item() == pytest.approx(0.5, abs=0.01)
    assert cubes.var().item() == pytest.approx(1 / 12, abs=0.005)
    assert cloud.means.mean(dim=0).abs().max() < 0.05


def test_a_ball_has_the_opacity_and_color_that_were_asked_for(generator):
    cloud = ball(50, 0.5, generator, color=(0.2, 0.4, 0.9), opacity=0.3, scale=0.02, sh_degree=2)
    torch.testing.assert_close(cloud.opacities, torch.full((50,), 0.3))
    torch.testing.assert_close(cloud.scales, torch.full((50, 3), 0.02))
    torch.testing.assert_close(sh0_to_rgb(cloud.sh0[:, 0]), torch.tensor([[0.2, 0.4, 0.9]]).repeat(50, 1))
    assert cloud.sh_degree == 2 and not cloud.shN.any()
    torch.testing.assert_close(cloud.quats, torch.tensor([[1.0, 0, 0, 0]]).repeat(50, 1))


def test_the_same_generator_gives_the_same_ball():
    first, second = (ball(10, 1.0, torch.Generator().manual_seed(3), color_std=0.1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.tensors().values(), second.tensors().values(), strict=True))


def test_scale_is_the_distance_to_the_neighbors():
    # In a unit grid, three neighbors of every point are at distance 1, also far from the origin.
    grid = torch.cartesian_prod(*[torch.arange(4.0)] * 3)
    torch.testing.assert_close(neighbor_distances(grid), torch.ones(64))
    torch.testing.assert_close(from_points(grid + 100).scales, torch.ones(64, 3), rtol=1e-3, atol=0)
    # Two points have one neighbor each.
    torch.testing.assert_close(neighbor_distances(torch.tensor([[0.0, 0, 0], [0, 3, 4]])), torch.tensor([5.0, 5.0]))


def test_neighbors_in_other_boxes_are_found(generator):
    # Uneven on purpose: a dense clump, a sparse cloud and an outlier.
    clump, sparse = (size * torch.randn(500, 3, generator=generator) for size in (0.01, 1.0))
    points = torch.cat([clump, sparse, torch.tensor([[50.0, 0.0, 0.0]])])
    nearest = torch.cdist(points.double(), points.double()).topk(4, largest=False).values[:, 1:]
    torch.testing.assert_close(neighbor_distances(points), nearest.square().mean(dim=1).sqrt().float())


def test_points_that_coincide_keep_a_finite_scale():
    assert torch.isfinite(from_points(torch.zeros(5, 3)).log_scales).all()


def test_colors_of_points_are_kept():
    colors = torch.tensor([[0.0, 0.5, 1.0], [1.0, 0.25, 0.0]])
    cloud = from_points(torch.eye(3)[:2], colors)
    torch.testing.assert_close(sh0_to_rgb(cloud.sh0[:, 0]), colors)


def test_disks_turn_their_third_axis_to_the_normal(generator):
    directions = torch.cat([torch.randn(50, 3, generator=generator), torch.eye(3), -torch.eye(3)])
    normals = torch.nn.functional.normalize(directions, dim=1)
    cloud = from_points(torch.rand(56, 3, generator=generator), scale=0.1, normals=normals, flatness=0.25)
    torch.testing.assert_close(quat_to_matrix(cloud.quats)[:, :, 2], normals, atol=1e-5, rtol=0)
    torch.testing.assert_close(cloud.scales, torch.tensor([[0.1, 0.1, 0.025]]).repeat(56, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": torch.eye(3), "flatness": 0.0}, "flatness"),
        ({"points": torch.zeros(0, 3)}, "0 points"),
        ({"points": torch.full((2, 3), math.nan)}, "not finite"),
        ({"points": torch.zeros(1, 3)}, "give the scale"),
        ({"points": torch.eye(3), "opacity": 1.0}, "opacity"),
        ({"points": torch.eye(3), "scale": 0.0}, "scale"),
        ({"points": torch.eye(3), "sh_degree": 4}, "degree 4 is not supported"),
    ],
)
def test_impossible_beginnings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_points(**arguments)


def test_an_empty_ball_is_refused_and_a_ball_of_one_is_not(generator):
    with pytest.raises(ValueError, match="0 points"):
        ball(0, 1.0, generator)
    assert len(ball(1, 1.0, generator)) == 1
