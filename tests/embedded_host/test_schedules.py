"""The grammar of threestudio's schedules, with values computed by hand."""

import math

import pytest
from omegaconf import OmegaConf
from splatdream.embedded_host.schedules import C, largest


@pytest.mark.parametrize(
    "schedule, step, expected",
    [
        (0.5, 10, 0.5),
        ([1.0, 2.0, 10], 5, 1.5),
        ([10, 1.0, 2.0, 20], 0, 1.0),
        ([10, 1.0, 2.0, 20], 15, 1.5),
        ([10, 1.0, 2.0, 20], 99, 2.0),
        ([1000, 0.98, 0.5, 1001], 1000, 0.98),
        ([1000, 0.98, 0.5, 1001], 1001, 0.5),
        ([0, 0.0, 1.0, 10, 5.0, 20], 10, 1.0),
        ([0, 0.0, 1.0, 10, 5.0, 20], 15, 3.0),
        ([0, 0.0, 1.0, 10, 5.0, 20, 5.0, 30, 0.0, 40], 35, 2.5),
        ([0, 0.0, 1.0, 10, 5.0, 20], 50, 5.0),
    ],
)
def test_value_at_a_step(schedule, step, expected):
    assert C(schedule, 0, step) == pytest.approx(expected)
    if isinstance(schedule, list):
        assert C(OmegaConf.create(schedule), 0, step) == pytest.approx(expected)


def test_a_float_end_step_counts_epochs():
    assert C([0, 0.0, 1.0, 10.0], epoch=5, global_step=1000) == pytest.approx(0.5)


def test_exponential_interpolation_passes_the_geometric_mean():
    assert C([1e-2, 1e-4, 10], 0, 5, interpolation="exp") == pytest.approx(1e-3)


def test_largest_value_of_a_schedule():
    assert largest([0, 1.0, 7.0, 10, 3.0, 20]) == 7.0


@pytest.mark.parametrize(
    "wrong", [[1.0], [1.0, 2.0], [0, 1.0, 2.0, 10, 3.0], "fast", ["a", "b", "c"], float("nan"), [0, math.nan, 1]]
)
def test_what_is_not_a_schedule_is_an_error(wrong):
    with pytest.raises(ValueError, match="schedule"):
        C(wrong, 0, 0)
