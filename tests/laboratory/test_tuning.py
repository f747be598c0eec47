"""Tuning gives every variant as many trials, on prompts of its own, and loses none."""

import csv
import json
import math

import pytest
import yaml
from fake_runs import FakeRuns, written
from splatdream.commands.main import main
from splatdream.laboratory.cells import read_study, resolved_study
from splatdream.laboratory.measures import MEASURES, Measure
from splatdream.laboratory.plan import read_plan
from splatdream.laboratory.records import standing
from splatdream.laboratory.report import write_report
from splatdream.laboratory.tuned_settings import configured_parameters, edge_of, tuned_settings
from splatdream.laboratory.tuning import tune, tuned_plan, tuning_of
from splatdream.laboratory.tuning_plan import tuning_ranges
from splatdream.laboratory.tuning_report import write_tuning_report
from splatdream.laboratory.work import work

pytest.importorskip("optuna")
SCALE = "system.guidance.guidance_scale"
TUNE = {
    "objective": "score",
    "trials": 4,
    "prompts": ["a blue robot"],
    "ranges": {SCALE: {"low": 0.5, "high": 50, "log": True}},
}


class Killed(BaseException):
    pass


@pytest.fixture
def runs(monkeypatch):
    """The score of a run is best at a scale of 8; runs with more than 40 diverge."""
    runs = FakeRuns()

    def score(asset, prompt, result):
        (asked,) = [text for text in runs.asked if f"tag={result.folder.name}" in text]
        scale = float(next(text for text in asked if text.startswith(f"{SCALE}=")).partition("=")[2])
        return {"score": math.nan if scale > 40 else -abs(math.log(scale / 8))}

    monkeypatch.setitem(MEASURES, "score", Measure(score, ("score",), "", ("score",)))
    return runs


def plan_of(folder, **changes):
    given = {"measures": ["score"], "settings": {SCALE: 1.0}, "variants": {"words": {}}, "tune": TUNE} | changes
    return read_plan(written(folder, **given))


def tuned(plan, folder, runs, may_go_on=lambda: True):
    return tune(plan, folder, lambda study: work(study, folder, runs, may_go_on=may_go_on))


def test_every_variant_has_as_many_trials_the_first_as_it_is_configured_and_the_best_is_chosen(tmp_path, runs):
    found = tuned(plan_of(tmp_path), tmp_path / "tuning", runs)
    for variant in found["variants"].values():
        assert [entry["trial"] for entry in variant["grid"]] == [1, 2, 3, 4]
        assert variant["grid"][0]["parameters"] == {SCALE: 1.0}
        best = max(variant["grid"], key=lambda entry: entry["value"] or -math.inf)
        assert variant["chosen"] == {**best, "settings": best["parameters"], "edges": {}}
        assert best["value"] > variant["grid"][0]["value"]
    assert len(runs.ran) == 4 and all("blue_robot" in name for name in runs.ran)
    before = (tmp_path / "tuning" / "tuning.json").read_text()
    tuned(plan_of(tmp_path), tmp_path / "tuning", runs)
    assert len(runs.ran) == 4 and (tmp_path / "tuning" / "tuning.json").read_text() == before
    # More trials go on from there.
    tuned(plan_of(tmp_path, tune=TUNE | {"trials": 6}), tmp_path / "tuning", runs)
    assert len(runs.ran) == 6


def test_a_killed_tuning_comes_to_what_an_undisturbed_one_finds_and_runs_nothing_twice(tmp_path, runs):
    undisturbed = tuned(plan_of(tmp_path), tmp_path / "undisturbed", runs)
    for dies_after in (1, 3):
        runs.ran.clear(), runs.asked.clear()
        seen = []

        def killed(study, seen=seen, folder=tmp_path / str(dies_after), limit=dies_after):
            work(study, folder, runs, may_go_on=lambda: len(runs.ran) < limit)
            if len(runs.ran) >= limit and not seen:
                seen.append(limit)
                raise Killed

        with pytest.raises(Killed):
            tune(plan_of(tmp_path), tmp_path / str(dies_after), killed)
        assert tuned(plan_of(tmp_path), tmp_path / str(dies_after), runs) == undisturbed
        assert len(runs.ran) == 4


def test_the_test_takes_the_chosen_settings_and_its_report_has_every_trial(tmp_path, runs):
    found = tuned(plan_of(tmp_path), tmp_path / "tuning", runs)
    write_tuning_report(found, tmp_path / "tuning")
    plan, document = tuned_plan(plan_of(tmp_path), tmp_path / "tuning")
    study, out = resolved_study(plan, tuning=document), tmp_path / "out"
    chosen = found["variants"]["words"]["chosen"]["parameters"][SCALE]
    assert f"{SCALE}={chosen}" in next(cell for cell in study.cells if cell.variant == "words").stages[0].overrides
    assert {cell.key for cell in study.cells}.isdisjoint(cell.key for cell in resolved_study(plan_of(tmp_path)).cells)
    study.write(out)
    work(read_study(out), out, runs)
    text = write_report(read_study(out), out)
    assert f"| words | {SCALE} = {chosen} |" in text and text.count("| words | ") == 1 + 1 + 4
    assert "4 trials of every variant, by score (more is better)" in text
    with (tmp_path / "tuning" / "tuning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and sum(row["is_chosen"] == "True" for row in rows) == 1
    assert "All trials" in (out / "report.html").read_text()


def test_a_trial_that_fails_or_diverges_counts_as_one_and_is_never_chosen(tmp_path, runs):
    choices = TUNE | {"ranges": {SCALE: {"choices": [1.0, 45.0]}}}
    found = tuned(plan_of(tmp_path, tune=choices), tmp_path / "tuning", runs)
    grid = found["variants"]["words"]["grid"]
    assert len(grid) == 4 and {(entry["parameters"][SCALE], entry["value"] is None) for entry in grid} == {
        (1.0, False),
        (45.0, True),
    }
    assert found["variants"]["words"]["chosen"]["parameters"] == {SCALE: 1.0}
    # Equal trials share a run.
    assert len(runs.ran) == 2
    runs.failing = {"words"}
    with pytest.raises(ValueError, match="all 4 trials of variant 'words' failed"):
        tuned(plan_of(tmp_path, tune=choices | {"seed": 1}), tmp_path / "other", runs)


def test_a_choice_at_the_edge_of_its_range_is_told():
    log = tuning_ranges({"x": {"low": 1, "high": 100, "log": True}}, "here")["x"]
    assert [edge_of(log, value) for value in (1.2, 10, 80.0, 99.0)] == ["lower", "", "upper", "upper"]
    whole = tuning_ranges({"x": {"low": 1, "high": 4, "integer": True}}, "here")["x"]
    assert [edge_of(whole, value) for value in (1, 2, 3, 4)] == ["lower", "", "", "upper"]
    numbers = tuning_ranges({"x": {"choices": [3, 15, 40]}}, "here")["x"]
    assert [edge_of(numbers, value) for value in (3, 15, 40)] == ["lower", "", "upper"]
    words = tuning_ranges({"x": {"choices": ["a", "b", "c"]}}, "here")["x"]
    assert edge_of(words, "a") == ""
    document = {
        "name": "n", "trials": 1, "objective": "score", "goal": "more is better", "prompts": ["p"], "seeds": [0],
        "budget": "", "variants": {"a": {"ranges": {"x": str(log)}, "grid": [],
        "chosen": {"trial": 1, "value": 1.0, "parameters": {"x": 99.0}, "edges": {"x": "upper"}}}},
    }  # fmt: skip
    from splatdream.laboratory.tuning_report import tuning_sections

    assert "x = 99.0 lies at the upper edge of its range (1 to 100, log)" in tuning_sections(document)[0].text


def test_a_multiple_multiplies_numbers_and_the_values_of_schedules(tmp_path):
    path = tmp_path / "base.yaml"
    path.write_text(yaml.safe_dump({"system": {"a": 2.0, "b": [0, 0.4, 0.1, "${trainer.max_steps}"], "c": "word"}}))
    plan = read_plan(written(tmp_path, base=str(path), prompts=["a red car"], variants={"v": {}}))
    stage = plan.variants[0].stages[0]
    ranges = list(
        tuning_ranges({"rates": {"low": 0.5, "high": 8, "multiplies": ["system.a", "system.b"]}}, "here").values()
    )
    assert configured_parameters(stage, ranges) == {"rates": 1.0}
    assert tuned_settings(stage, ranges, {"rates": 2.0}) == {
        "system.a": 4.0,
        "system.b": [0, 0.8, 0.2, "${trainer.max_steps}"],
    }
    words = list(tuning_ranges({"w": {"low": 0.5, "high": 8, "multiplies": ["system.c"]}}, "here").values())
    with pytest.raises(ValueError, match=r"cannot multiply system.c, which is 'word', by 2"):
        tuned_settings(stage, words, {"w": 2})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompts": ["An  orange cat"]}, "'An  orange cat' is in tune.prompts and in prompts"),
        ({"objective": "psnr"}, "tune.objective 'psnr' is none of the measures' columns: score"),
        ({"trials": 0}, "tune.trials is 0; it must be a whole number of at least 1"),
        ({"ranges": {}}, "variant 'words' has nothing to tune"),
        ({"ranges": {SCALE: {"low": 3, "high": 1}}}, "must have choices, or low and high with low < high"),
        ({"ranges": {SCALE: {"low": 0, "high": 1, "log": True}}}, "is logarithmic, so low must be above 0"),
        ({"ranges": {SCALE: {"low": 0.5, "high": 2, "integer": True}}}, "is of whole numbers, but reaches from 0.5"),
        ({"ranges": {SCALE: {"choices": [1]}}}, "at least two choices"),
        ({"ranges": {SCALE: {"lo": 1}}}, r"unknown key 'lo' in 'system.guidance.guidance_scale' of tune.ranges"),
        ({"budget": {"steps": [10, 20]}}, "tuning has one budget"),
        ({"trails": 3}, r"unknown key 'trails' in tune \(nearest: 'trials'\)"),
        ({"seeds": []}, "tune needs prompts and seeds of its own"),
    ],
)
def test_what_cannot_be_tuned_is_told_in_one_sentence(changes, sentence, tmp_path, runs):
    with pytest.raises(ValueError, match=sentence):
        plan_of(tmp_path, tune=TUNE | changes)


def test_a_tuning_of_something_else_is_refused(tmp_path, runs, capsys):
    with pytest.raises(ValueError, match="'tiny' says nothing of tuning"):
        tuning_of(read_plan(written(tmp_path)))
    with pytest.raises(FileNotFoundError, match="holds no tuning"):
        tuned_plan(plan_of(tmp_path), tmp_path)
    folder = tmp_path / "tuning"
    tuned(plan_of(tmp_path), folder, runs)
    with pytest.raises(ValueError, match="holds the tuning of 'tiny', not of 'other'"):
        tuned_plan(plan_of(tmp_path, name="other"), folder)
    with pytest.raises(ValueError, match="tuned on 'a blue robot', which is in prompts"):
        tuned_plan(plan_of(tmp_path, prompts=["a blue robot"], tune=TUNE | {"prompts": ["a red car"]}), folder)
    with pytest.raises(ValueError, match="variant 'words' was tuned as something else"):
        tuned_plan(plan_of(tmp_path, variants={"words": {"settings": {"system.geometry.num_points": 7}}}), folder)
    with pytest.raises(ValueError, match="has no variant 'third'"):
        tuned_plan(plan_of(tmp_path, variants={"third": {}}), folder)
    document = json.loads((folder / "tuning.json").read_text())
    document["variants"]["words"]["chosen"] = None
    (folder / "tuning.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"of variant 'words' in .* has not ended"):
        tuned_plan(plan_of(tmp_path), folder)
    assert main(["lab", "run", str(written(tmp_path)), "--output", str(folder)]) == 1
    assert "belongs to the experiment 'tiny, tuning'" in capsys.readouterr().err


def test_the_command_tunes_and_a_run_takes_what_it_chose(tmp_path, capsys):
    tune = {"objective": "steps", "minimize": True, "trials": 2, "prompts": ["a blue robot"], "budget": {"steps": [1]},
            "ranges": {"system.geometry.num_points": {"low": 20, "high": 90, "integer": True}}}  # fmt: skip
    path = str(written(tmp_path, tune=tune, variants={"words": {}}, prompts=["a red car"], budgets={"steps": [1]}))
    command = ["lab", "tune", path, "--output", str(tmp_path / "tuning")]
    assert main([*command, "--dry-run"]) == 0
    assert not (tmp_path / "tuning").exists()
    assert "2 trials of each of 1 variants" in capsys.readouterr().out
    assert main(command) == 0
    assert "# tiny: tuning" in capsys.readouterr().out
    assert main(["lab", "report", str(tmp_path / "tuning")]) == 0
    assert "# tiny: tuning" in capsys.readouterr().out
    output = tmp_path / "out"
    assert main(["lab", "run", path, "--output", str(output), "--tuned", str(tmp_path / "tuning")]) == 0
    assert standing(output, read_study(output)).line() == "1 done, 0 running, 0 failed, 0 waiting"
    assert "Tuned settings" in (output / "report.md").read_text()
