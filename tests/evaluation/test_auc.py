import pytest
import torch
from splatdream.evaluation.auc import area_under_curve, auc_with_interval, best_threshold


def test_auc_counts_pairs_and_half_of_the_ties():
    # (3 > 1, 3 > 2, 2 > 1, 2 = 2): 3.5 of 4.
    assert area_under_curve(torch.tensor([3.0, 2.0]), torch.tensor([1.0, 2.0])) == 3.5 / 4
    with pytest.raises(ValueError, match="both classes"):
        area_under_curve(torch.tensor([]), torch.tensor([1.0]))


def test_the_interval_of_a_perfect_measure_is_a_point_and_of_chance_is_wide(generator):
    names = [f"object {index}" for index in range(8)]
    perfect = auc_with_interval({n: [2.0] for n in names}, {n: [1.0] for n in names}, generator)
    assert (perfect.low, perfect.value, perfect.high) == (1, 1, 1)
    noise = torch.rand(2, 8, generator=generator).tolist()
    chance = auc_with_interval(
        {n: [x] for n, x in zip(names, noise[0], strict=True)},
        {n: [x] for n, x in zip(names, noise[1], strict=True)},
        generator,
    )
    assert chance.low < 0.5 < chance.high
    assert chance.high - chance.low > 0.3


def test_classes_of_different_objects_have_an_interval_too(generator):
    found = auc_with_interval({"vase": [0.0], "cake": [0.1]}, {"cat": [1.0], "dog": [2.0]}, generator)
    assert found.value == found.high == 0


def test_the_threshold_lies_in_the_middle_of_the_widest_gap_that_separates_best():
    assert best_threshold(torch.tensor([5.0, 9.0]), torch.tensor([1.0, 2.0])) == 3.5
    # One of the positives is lost either way.
    assert best_threshold(torch.tensor([0.0, 8.0, 9.0]), torch.tensor([1.0, 2.0, 3.0])) == 5.5
