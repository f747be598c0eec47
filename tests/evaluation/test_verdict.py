import pytest
from splatdream.evaluation.verdict import DECIDING, MEASURES, Calibration, Threshold, Verdict, judge
from splatdream.evaluation.view_posterior import ViewLikelihood

LIMITS = {"second front": 0.5, "front peak": 0.5, "least similarity": 0.9, "camera gap": 0.4, "word confidence": 0.6}
OK = {"second front": 0.1, "front peak": 0.9, "least similarity": 0.6, "camera gap": 0.7, "word confidence": 0.9}


def _calibration(**lower_bounds):
    thresholds = {
        name: Threshold(limit, 1.0, lower_bounds.get(name.replace(" ", "_"), 0.95)) for name, limit in LIMITS.items()
    }
    return Calibration(ViewLikelihood(), thresholds, ("x",), 12, 4, "test")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Verdict.OK),
        ({"second front": 0.8, "camera gap": 0.1}, Verdict.REPEATED),
        ({"front peak": 0.2, "camera gap": 0.1}, Verdict.FACELESS),
        ({"least similarity": 1.0, "camera gap": 0.0}, Verdict.COLLAPSED),
        ({"least similarity": 1.0, "word confidence": 0.4, "front peak": 0.3, "camera gap": 0.0}, Verdict.FRONTLESS),
        ({"second front": 0.8}, Verdict.UNSURE),
        ({"camera gap": 0.1}, Verdict.UNSURE),
    ],
)
def test_each_verdict_follows_from_its_measures_and_two_judges_must_agree(changed, expected):
    assert judge(OK | changed, _calibration()).verdict is expected


def test_without_a_calibration_or_without_view_words_nothing_is_sure():
    assert judge(OK, None).verdict is Verdict.UNSURE
    assert judge({"least similarity": 0.6}, _calibration()).verdict is Verdict.UNSURE
    assert judge({"least similarity": 1.0}, _calibration()).verdict is Verdict.UNSURE


def test_a_measure_whose_lower_bound_is_too_low_is_not_used():
    found = judge(OK | {"camera gap": 0.1}, _calibration(camera_gap=0.79))
    assert found.verdict is Verdict.OK
    assert "camera gap" not in found.used
    assert found.measures["camera gap"] == 0.1


def test_every_deciding_measure_is_described():
    assert set(DECIDING) <= set(MEASURES)
