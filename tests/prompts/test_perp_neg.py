"""Which view texts Perp-Neg mixes and which it pushes away from."""

import math

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.prompts.directions import ViewDirection
from splatdream.prompts.perp_neg import perp_neg_terms
from splatdream.prompts.view_prompts import make_view_prompts

SIDE, FRONT, BACK, OVERHEAD = ViewDirection.SIDE, ViewDirection.FRONT, ViewDirection.BACK, ViewDirection.OVERHEAD


def weights_at(azimuth, elevation=0.0):
    """{direction: (positive, negative)} of one camera, terms without weight left out."""
    terms = perp_neg_terms(torch.tensor([float(elevation)]), torch.tensor([float(azimuth)]))
    columns = zip(terms.rows[:, 0], terms.positive_weights[:, 0], terms.negative_weights[:, 0], strict=True)
    weights = {ViewDirection(int(row)): (float(positive), float(negative)) for row, positive, negative in columns}
    return {direction: pair for direction, pair in weights.items() if pair != (0.0, 0.0)}


@pytest.mark.parametrize(
    ("azimuth", "expected"),
    [
        # Published functions a exp(-b r) + c: 4 exp(-r / 2) - 2.426, exp(-r / 2) - 0.606, exp(-r / 2) + 0.967.
        (0, {FRONT: (1, 0), SIDE: (0, -(4 - 2.426))}),
        (45, {FRONT: (0.5, -(4 * math.exp(-0.25) - 2.426)), SIDE: (0.5, -(4 * math.exp(-0.25) - 2.426))}),
        (90, {SIDE: (1, 0), FRONT: (0, -(math.exp(-0.5) + 0.967))}),
        (135, {SIDE: (0.5, -(math.exp(-0.25) - 0.606)), BACK: (0.5, 0), FRONT: (0, -(math.exp(-0.25) + 0.967))}),
        (180, {BACK: (1, 0), SIDE: (0, -(1 - 0.606)), FRONT: (0, -(1 + 0.967))}),
        (-45, {FRONT: (0.5, -(4 * math.exp(-0.25) - 2.426)), SIDE: (0.5, -(4 * math.exp(-0.25) - 2.426))}),
    ],
)
def test_terms_have_the_published_weights(azimuth, expected):
    weights = weights_at(azimuth)
    assert weights.keys() == expected.keys()
    for direction, pair in expected.items():
        # The published functions miss their zeros by up to 5e-4.
        assert weights[direction] == pytest.approx(pair, abs=1e-3)


def test_overhead_views_have_their_own_text_and_no_negative():
    assert weights_at(200, elevation=70) == {OVERHEAD: (1, 0)}


def test_terms_change_continuously_with_the_azimuth():
    azimuth = torch.linspace(-180, 180, 3601)
    terms = perp_neg_terms(torch.zeros_like(azimuth), azimuth)
    for weights in (terms.positive_weights, terms.negative_weights):
        # The side's decay leaves its end at the side with slope 2 / 90 a degree; a jump would be of order 1.
        assert weights.diff(dim=1).abs().max() < 0.01
    assert (terms.negative_weights <= 0).all()
    torch.testing.assert_close(terms.positive_weights.sum(0), torch.ones_like(azimuth))


def test_terms_name_rows_of_the_texts_and_need_view_dependent_ones():
    cameras = orbit_cameras([0, 70], [180, 0])
    prompts = make_view_prompts("a cat")
    rows = prompts.perp_neg_terms(cameras).rows
    assert [prompts.texts[row] for row in rows[:, 0]] == ["a cat, front view", "a cat, side view", "a cat, back view"]
    assert prompts.texts[rows[0, 1]] == "a cat, overhead view"
    with pytest.raises(ValueError, match="is_view_dependent: true"):
        make_view_prompts("a cat", is_view_dependent=False).perp_neg_terms(cameras)


def test_the_empty_text_is_the_negative_one_unless_a_negative_prompt_is_given():
    cameras = orbit_cameras([0], [0])
    plain, with_negative = make_view_prompts("a cat"), make_view_prompts("a cat", negative_prompt="ugly")
    assert plain.empty_rows(cameras).tolist() == plain.negative_rows(cameras).tolist()
    assert with_negative.texts[with_negative.empty_rows(cameras)[0]] == ""
    assert with_negative.texts[with_negative.negative_rows(cameras)[0]] == "ugly"
    assert with_negative.texts[with_negative.plain_rows(cameras)[0]] == "a cat"
