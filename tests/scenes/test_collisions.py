"""Overlaps of volumes that geometry knows: boxes of cells, and two balls."""

import math

import pytest
import torch
from splatdream.gaussians.initialization import from_points
from splatdream.scenes.collisions import Occupancy, collisions
from splatdream.scenes.placement import Placement


@pytest.fixture(scope="module")
def ball():
    """A shell of radius 1, hollow inside."""
    index = torch.arange(3000)
    z = 1 - (2 * index + 1) / 3000
    angle = index * math.pi * (3 - math.sqrt(5))
    across = (1 - z**2).sqrt()
    return from_points(torch.stack([across * angle.cos(), across * angle.sin(), z], dim=1), opacity=0.95)


def test_cells_that_both_occupy_are_counted_wherever_the_boxes_begin():
    large, small = (
        Occupancy((0, 0, 0), torch.ones(10, 10, 10).bool()),
        Occupancy((8, -2, 3), torch.ones(4, 5, 6).bool()),
    )
    assert large.shared_with(small) == small.shared_with(large) == 2 * 3 * 6
    assert large.shared_with(Occupancy((10, 0, 0), torch.ones(2, 2, 2).bool())) == 0


@pytest.fixture(scope="module")
def found(ball):
    return collisions({
        "a": ball,
        "b": Placement(move=(1.0, 0.2, 0.0)).placed(ball),
        "inside": Placement(0.3, move=(-0.65, 0.0, 0.0)).placed(ball),
        "beside": Placement(0.5, move=(0.0, 0.0, 2.0)).placed(ball),
        "fog": from_points(torch.rand(20, 3, generator=torch.Generator().manual_seed(0)), opacity=0.005),
    })  # fmt: skip


def test_the_inside_of_a_shell_counts_and_two_balls_share_a_lens(found):
    volumes, pairs = found
    radius = (volumes["a"] / (4 / 3 * math.pi)) ** (1 / 3)
    assert 1 < radius < 1.2  # Gaussians of 0.07 reach out of the shell
    distance = math.hypot(1.0, 0.2)
    lens = math.pi * (4 * radius + distance) * (2 * radius - distance) ** 2 / 12
    pair = next(pair for pair in pairs if (pair.first, pair.second) == ("a", "b"))
    assert pair.volume == pytest.approx(lens, rel=0.05)
    assert pair.share == pytest.approx(lens / volumes["a"], rel=0.05)


def test_a_ball_inside_of_another_overlaps_whole_and_one_beside_not_at_all(found):
    _, pairs = found
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "inside"), ("a", "b")]
    assert pairs[0].share == pytest.approx(1, abs=0.02)


def test_of_what_is_too_faint_nothing_is_claimed(found):
    volumes, pairs = found
    assert volumes["fog"] is None and "fog" not in {pair.second for pair in pairs}
