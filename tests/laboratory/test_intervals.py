"""Intervals contain what they should."""

import pytest
import torch
from splatdream.laboratory.intervals import paired_bootstrap_interval


def test_the_interval_of_normal_differences_agrees_with_the_textbook(generator):
    differences = 2.0 + torch.randn(400, generator=generator)
    low, high = paired_bootstrap_interval(differences, generator)
    mean, standard_error = differences.mean().item(), differences.std().item() / 20
    assert low == pytest.approx(mean - 1.96 * standard_error, abs=0.02)
    assert high == pytest.approx(mean + 1.96 * standard_error, abs=0.02)


def test_equal_differences_have_an_interval_without_width(generator):
    assert paired_bootstrap_interval(torch.full((5,), 3.0), generator) == (3.0, 3.0)


def test_no_pairs_have_no_interval(generator):
    with pytest.raises(ValueError, match="at least one pair"):
        paired_bootstrap_interval(torch.zeros(0), generator)
