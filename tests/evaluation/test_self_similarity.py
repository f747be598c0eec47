import pytest
import torch
from splatdream.evaluation.appearance import self_similarity


def _images(places):
    """View i has ink in pixel places[i] only."""
    images = torch.ones(len(places), 1, 12, 3)
    for view, place in enumerate(places):
        images[view, 0, place] = 0
    return images


def test_sides_without_common_ink_are_unlike():
    found = self_similarity(_images(range(12)))
    assert found.most == pytest.approx(0.0, abs=1e-6)


def test_a_repeated_side_is_found_at_its_turn():
    found = self_similarity(_images([index % 6 for index in range(12)]))
    assert found.by_turn_deg[180] == pytest.approx(1.0)
    assert found.by_turn_deg[90] == found.by_turn_deg[120] == pytest.approx(0.0, abs=1e-6)
    assert self_similarity(_images([index % 4 for index in range(12)])).by_turn_deg[120] == pytest.approx(1.0)


def test_one_picture_everywhere_and_nothing_at_all_are_alike_at_every_turn():
    assert self_similarity(_images([3] * 12)).least == pytest.approx(1.0)
    assert self_similarity(torch.ones(12, 2, 2, 3)).least == pytest.approx(1.0)


def test_views_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of 12"):
        self_similarity(torch.ones(10, 2, 2, 3))
