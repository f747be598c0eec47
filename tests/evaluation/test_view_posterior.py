import math

import pytest
import torch
from known_priors import GrayByWord
from splatdream.cameras.evaluation import turntable_cameras
from splatdream.evaluation.view_posterior import (
    ViewLikelihood,
    front_measures,
    spread_timesteps,
    view_errors,
    view_posterior,
)

NUM_VIEWS = 24


def _images(grays):
    return torch.tensor(grays)[:, None, None, None].expand(-1, 4, 4, 3)


def _errors(grays, **options):
    cameras = turntable_cameras(len(grays), 15.0, 2.5, 49.1, 4, 4)
    return view_errors(GrayByWord(), _images(grays), cameras, "a cat", **options)


def test_errors_are_those_of_a_denoiser_that_knows_another_image():
    # (x_t - a x*) / s - noise = (a / s) (x - x*).
    errors = _errors([0.0, 0.5, 1.0], num_noises=3)
    signal, sigma = GrayByWord().schedule.signal_and_noise_scales(spread_timesteps(1000, 3), torch.zeros(3))
    gaps = torch.tensor([[0.0, 0.5, 1.0], [0.5, 0.0, 0.5], [1.0, 0.5, 0.0]]).square()
    torch.testing.assert_close(errors, (signal / sigma).square()[:, None, None] * gaps, atol=1e-5, rtol=1e-4)


def test_the_text_that_denoises_best_is_the_likeliest():
    posterior = view_posterior(_errors([0.0, 0.5, 1.0, 0.5]), ViewLikelihood(temperature=1e-3))
    assert posterior.argmax(dim=0).tolist() == [0, 1, 2, 1]
    torch.testing.assert_close(posterior.sum(dim=0), torch.ones(4))


def test_a_bias_that_equals_the_errors_leaves_every_word_alike():
    errors = _errors([0.2])
    biases = tuple(errors.mean(dim=0)[:, 0].tolist())
    posterior = view_posterior(errors, ViewLikelihood(biases, 1e-2))
    torch.testing.assert_close(posterior, torch.full((3, 1), 1 / 3))


def _posterior(is_front):
    """Sure of the front where told, sure of the side elsewhere."""
    front = torch.tensor([float(flag) for flag in is_front])
    return torch.stack([front, 1 - front, torch.zeros_like(front)])


def _arcs(*middles_deg, half_width_deg=45.0):
    azimuth = torch.arange(NUM_VIEWS) * (360 / NUM_VIEWS)
    away = torch.stack([(azimuth - middle + 180).remainder(360) - 180 for middle in middles_deg]).abs()
    return _posterior((away <= half_width_deg).any(dim=0))


@pytest.mark.parametrize("turn", [0, 75, 180])
def test_one_front_has_a_peak_and_no_second_wherever_it_is(turn):
    found = front_measures(_arcs(turn))
    assert found.arcs.count == 1
    assert not found.arcs.is_repeated
    assert found.peak == pytest.approx(1.0)
    assert found.second == pytest.approx(0.0, abs=1e-6)
    assert found.least == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("middles", [(0, 180), (0, 120, 240), (30, 160)])
def test_two_or_three_fronts_have_a_second(middles):
    found = front_measures(_arcs(*middles, half_width_deg=30.0))
    assert found.arcs.count == len(middles)
    assert found.arcs.is_repeated
    assert found.second == pytest.approx(1.0)


def test_a_front_that_reaches_round_is_repeated_and_has_no_information():
    found = front_measures(_posterior([True] * NUM_VIEWS))
    assert found.arcs.widest_deg == 360
    assert found.arcs.is_repeated
    assert found.excess == 0.75
    assert found.information == pytest.approx(0.0, abs=1e-6)
    assert found.least == 1.0


def test_a_single_odd_view_is_no_second_front():
    flags = [index in (23, 0, 1, 12) for index in range(NUM_VIEWS)]
    assert front_measures(_posterior(flags)).arcs.count == 1


def test_information_is_one_for_three_equally_frequent_certain_words():
    posterior = torch.eye(3).repeat_interleave(8, dim=1)
    assert front_measures(posterior).information == pytest.approx(1.0)
    # Half front and half side: log 2 of log 3.
    assert front_measures(_posterior([True] * 12 + [False] * 12)).information == pytest.approx(
        math.log(2) / math.log(3)
    )


def test_no_noise_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        _errors([0.5], num_noises=0)
