"""Thresholds and figures from records whose measures are made up, and the shipped ones on results put together."""

import dataclasses
import json

import pytest
import torch
from splatdream.evaluation.asset_report import evaluate_asset
from splatdream.evaluation.calibration import calibrate, fit_likelihood
from splatdream.evaluation.calibration_records import CaseRecord, measure_cases, read_records, true_words
from splatdream.evaluation.calibration_report import report
from splatdream.evaluation.constructed_cases import VERDICTS, calibration_cases, collapsed, true_object, wedges
from splatdream.evaluation.distilled_cases import DistilledCase, check_distilled
from splatdream.evaluation.measurement import MeasurementPlan
from splatdream.evaluation.thresholds_file import calibration_for, read_calibration, write_calibration
from splatdream.evaluation.verdict import DECIDING
from splatdream.priors.judges import JUDGES, load_judge
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.vocabulary import parse_caption

FRONT, SIDE, BACK, NONE = range(4)
WORDS = {
    "true": [0, 0, 1, 1, 1, 2, 2, 2, 1, 1, 1, 0],
    "two faces": [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0],
    "three faces": [0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0],
    "two backs": [2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2],
    "one front": [0] * 12,
    "no front": [NONE] * 12,
}


def _record(kind, name, generator):
    """Errors in which the right word of every view is better by 0.01, behind noise."""
    errors = 0.1 + 0.002 * torch.randn(3, 12, generator=generator)
    for view, word in enumerate(WORDS[kind]):
        if word != NONE:
            errors[word, view] -= 0.01
    is_one_picture = kind in ("one front", "no front")
    return CaseRecord(
        key=f"{name}: {kind}",
        kind=kind,
        object_name=name,
        true_words=WORDS["true"],
        view_errors=errors.tolist(),
        camera_gap=0.7 if kind == "true" else 0.1,
        similarity_most=0.7 if kind == "true" else 1.0,
        similarity_least=0.99 if is_one_picture else 0.6,
    )


@pytest.fixture(scope="module")
def result():
    generator = torch.Generator().manual_seed(0)
    records = [
        _record(kind, f"{'vase' if kind == 'no front' else 'cat'} {index}", generator)
        for index in range(10)
        for kind in WORDS
    ]
    return calibrate(records, ["a", "b"], 12, 4), records


def test_clear_measures_are_usable_and_give_the_right_verdict_on_objects_kept_apart(result):
    found, _ = result
    assert not set(found.fit_objects) & set(found.test_objects)
    assert all(found.calibration.thresholds[name].is_usable for name in DECIDING)
    for kind, verdicts in found.confusion.items():
        assert verdicts.get(VERDICTS[kind], 0) >= 4, (kind, verdicts)


def test_permuted_view_words_see_no_second_front(result):
    assert result[0].control["second front"].low < 0.5 + 0.25
    assert result[0].control["second front"].value < 0.8


def test_the_temperature_is_the_one_under_which_known_views_are_likeliest(result):
    # With the right word better by 0.01 and noise of 0.002 on each error, log odds have slope 0.01 / 0.002^2 / 2.
    likelihood = fit_likelihood([record for record in result[1] if record.kind == "true"])
    assert 0.0001 < likelihood.temperature < 0.004
    assert all(abs(bias) < 0.003 for bias in likelihood.biases)


def test_a_calibration_survives_its_file_and_is_for_its_priors_only(result, tmp_path):
    path = write_calibration(tmp_path / "thresholds.json", result[0].calibration)
    assert read_calibration(path) == result[0].calibration
    assert calibration_for([], 12, 4, path) is None
    assert calibration_for([load_judge(JUDGES[0])], 12, 4, path) is None


def test_the_page_has_every_measure_and_case(result):
    page = report(result[0], 60)
    assert all(f"`{name}`" in page for name in result[0].auc_by_kind)
    assert all(f"| {kind} |" in page for kind in VERDICTS)


def test_distilled_results_are_checked_with_thresholds_fixed_elsewhere(result, generator):
    found, _ = result
    labels = {"true": "ok", "two faces": "repeated", "two backs": "faceless", "one front": "collapsed"}
    records = [
        dataclasses.replace(_record(kind, f"dog {index}", generator), kind=label)
        for index in range(5)
        for kind, label in labels.items()
    ]
    check = check_distilled(records, found.calibration)
    assert set(check.confusion) == set(labels.values())
    assert all(check.confusion[label].get(label, 0) >= 4 for label in labels.values())
    assert check.auc["camera gap"].value == check.auc["second front"].value == 1
    assert "word confidence" not in check.auc  # nothing frontless among them
    assert "20 distilled results" in report(found, 60, check)


def test_measures_are_ranked_against_the_numbers_of_the_yaw_map(result, generator):
    found, _ = result
    records = []
    for index in range(12):
        record = _record("true", f"dog {index % 4}", generator)
        truth = {"share of fronts": float(index), "front arcs": 1.0, "covered degrees": -float(index), "yaw error": 0.5}
        records.append(dataclasses.replace(record, key=str(index), kind="ok", camera_gap=index**3, truth=truth))
    check = check_distilled(records, found.calibration)
    gap = check.ranks["camera gap"]
    # Ranks do not mind the cube.
    assert (gap["share of fronts"].value, gap["share of fronts"].low) == (pytest.approx(1), pytest.approx(1))
    assert gap["covered degrees"].value == pytest.approx(-1)
    assert gap["front arcs"] is None and check.ranks["least similarity"]["share of fronts"] is None
    second = check.ranks["second front"]["share of fronts"]
    assert -1 <= second.low <= second.value <= second.high <= 1
    page = report(found, 60, check)
    row = next(line for line in page.splitlines() if line.startswith("| `camera gap`") and "to" in line)
    same = "the same for all"
    assert row == f"| `camera gap` | 1.00 (1.00 to 1.00) | {same} | -1.00 (-1.00 to -1.00) | {same} |"
    without = check_distilled([dataclasses.replace(record, truth=None) for record in records], found.calibration)
    assert without.ranks == {} and "Spearman" not in report(found, 60, without)


def test_a_distilled_case_is_compared_once_and_says_its_truth_in_numbers():
    scene = build_scene("an orange cat")

    def render(cameras):
        rgba = trace(scene, cameras)
        return composite(rgba, torch.ones(len(cameras), 3)), rgba[..., 3:]

    case = DistilledCase("cat", parse_caption("an orange cat"), render)
    # A true object: one front of the seven views within 45 degrees, every side where it belongs.
    assert case.kind == "ok" and case.truth["front arcs"] == 1
    assert case.truth["share of fronts"] == pytest.approx(7 / 24)
    assert case.truth["yaw error"] == 0


def test_one_object_is_not_enough(generator):
    with pytest.raises(ValueError, match="at least two"):
        calibrate([_record("true", "cat", generator)], [], 12, 4)


def test_true_words_follow_the_turn():
    azimuth = torch.tensor([0.0, 90.0, 180.0, 270.0])
    assert true_words(azimuth, 0.0, 15.0).tolist() == [FRONT, SIDE, BACK, SIDE]
    assert true_words(azimuth, 90.0, 15.0).tolist() == [SIDE, FRONT, SIDE, BACK]


def test_cases_are_of_every_kind_and_each_has_a_key_of_its_own():
    cases = list(calibration_cases())
    assert {case.kind for case in cases} == set(VERDICTS)
    assert len({case.key for case in cases}) == len(cases) == 2 * (16 * 5 + 6)


def test_measured_cases_are_not_measured_again_and_half_a_line_is_dropped(result, tmp_path):
    path = tmp_path / "cases.jsonl"
    case = next(calibration_cases())
    known = dataclasses.replace(result[1][0], key=case.key, camera_gap=0.123)
    path.write_text(json.dumps(dataclasses.asdict(known)) + '\n{"key": "ha')
    (found,) = measure_cases([case], [], MeasurementPlan(), path)
    assert found == known
    assert read_records(path) == [known]


@pytest.fixture(scope="module")
def judges():
    return [load_judge(name) for name in JUDGES]


def test_the_shipped_calibration_is_of_the_packaged_priors(judges):
    calibration = calibration_for(judges, 12, 4)
    assert calibration is not None
    assert calibration.thresholds["camera gap"].low >= 0.95
    assert calibration_for(judges, 12, 2) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (true_object, "ok"),
        (lambda scene: wedges(scene, 2), "repeated"),
        (lambda scene: wedges(scene, 2, kept_deg=180.0), "faceless"),
        (lambda scene: collapsed(true_object(scene)), "collapsed"),
    ],
)
def test_the_packaged_priors_find_what_was_put_together_without_the_true_object(build, expected, judges):
    found = evaluate_asset(build(build_scene("a red cat")), "a red cat", judges)
    assert found.judgment.verdict.value == expected
    assert found.verdict.value == expected
    assert found.disagreement == ""
