import pytest
import torch
from known_priors import GrayByAzimuth, GrayByWord
from splatdream.cameras.evaluation import turntable_cameras
from splatdream.evaluation.camera_gap import camera_gap

CAMERAS = turntable_cameras(4, 15.0, 2.5, 49.1, 4, 4)


def _gap(grays, prior=None):
    images = torch.tensor(grays)[:, None, None, None].expand(-1, 4, 4, 3)
    return camera_gap(prior or GrayByAzimuth(), images, CAMERAS, "a cat")


def test_sides_where_the_cameras_say_have_no_error_and_the_full_gap():
    found = _gap([0.0, 0.25, 0.5, 0.75])
    assert found.gap == pytest.approx(1.0, abs=1e-4)
    assert found.turn_deg == 0


def test_a_turn_of_the_whole_is_found_and_costs_nothing():
    found = _gap([0.5, 0.75, 0.0, 0.25])
    assert found.turn_deg == 180
    assert found.gap == pytest.approx(1.0, abs=1e-4)


def test_one_picture_on_every_side_has_no_gap():
    assert _gap([0.5] * 4).gap == pytest.approx(0.0, abs=0.01)


def test_a_repeated_side_has_less_of_a_gap_than_a_true_object():
    assert _gap([0.0, 0.25, 0.0, 0.25]).gap < 0.5


def test_a_prior_of_single_views_is_refused():
    with pytest.raises(ValueError, match="groups of 4"):
        _gap([0.0] * 4, GrayByWord())
