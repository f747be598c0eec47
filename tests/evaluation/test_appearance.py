import pytest
import torch
from splatdream.evaluation.appearance import appearance


def _square(color, size=8, covered=4):
    rgb, alpha = torch.ones(1, size, size, 3), torch.zeros(1, size, size, 1)
    rgb[0, :covered, :covered], alpha[0, :covered, :covered] = torch.tensor(color), 1.0
    return rgb, alpha


def test_saturation_is_that_of_what_is_covered():
    assert appearance(*_square((1.0, 0.5, 0.25))).saturation == pytest.approx(0.75)
    assert appearance(*_square((0.4, 0.4, 0.4))).saturation == pytest.approx(0.0, abs=1e-6)


def test_a_plain_square_has_no_detail_and_stripes_have():
    rgb, alpha = _square((0.0, 0.0, 0.0))
    assert appearance(rgb, alpha).sharpness == pytest.approx(0.0, abs=1e-6)
    rgb[0, :4, :4:2] = 1.0
    assert appearance(rgb, alpha).sharpness == pytest.approx(1.0, abs=1e-4)


def test_a_piece_apart_is_a_floater_by_its_share_of_pixels():
    rgb, alpha = _square((0.0, 0.0, 0.0))
    assert appearance(rgb, alpha).floater_share == 0
    alpha[0, 6:, 6:] = 1.0
    assert appearance(rgb, alpha).floater_share == pytest.approx(4 / 20)


def test_an_empty_result_has_nothing_of_anything():
    found = appearance(torch.ones(2, 8, 8, 3), torch.zeros(2, 8, 8, 1))
    assert (found.saturation, found.sharpness, found.floater_share, found.coverage) == (0, 0, 0, 0)
