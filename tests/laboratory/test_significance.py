"""Tests of differences, and their correction for how many there are."""

import pytest
from splatdream.laboratory.significance import holm, pairs_needed, sign_flip_p_value


def test_holms_correction_agrees_with_a_computation_by_hand():
    # Ordered: 0.01 x 4 = 0.04; 0.02 x 3 = 0.06; 0.03 x 2 = 0.06; 0.04 x 1 = 0.04, which may not fall below 0.06.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_signs_of_differences_that_agree_are_as_rare_as_tosses_of_a_coin():
    # All 5 alike: 2 of 32 ways.
    assert sign_flip_p_value([1.0, 2.0, 0.5, 3.0, 1.5]) == pytest.approx(2 / 32)
    # Of the 4 signs of (1, 3) the mean 1 is reached by all: +-4 and +-2.
    assert sign_flip_p_value([-1.0, 3.0]) == 1.0
    assert sign_flip_p_value([0.0, 0.0]) == 1.0
    assert sign_flip_p_value([1.0] * 30) < 1e-3
    with pytest.raises(ValueError, match="at least one pair"):
        sign_flip_p_value([])


def test_no_fewer_pairs_than_are_needed_are_called_enough():
    # 2 / 2^6 = 0.031 <= 0.05, 2 / 2^5 = 0.0625 is not; of 8 tests 0.05 / 8 = 0.00625 needs 2 / 2^9.
    assert pairs_needed(1) == 6
    assert pairs_needed(8) == 9
