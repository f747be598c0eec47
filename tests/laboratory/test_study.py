"""A grid is made once, whatever happens on the way."""

import csv
import json

import pytest
from fake_runs import CONFIGS, FakeRuns, written
from headless_chromium import SCREENS
from splatdream.laboratory import work as working
from splatdream.laboratory.cells import read_study, resolved_study
from splatdream.laboratory.claims import claim, claimant
from splatdream.laboratory.cost import cost_text
from splatdream.laboratory.findings import differences, rows_of
from splatdream.laboratory.measures import MEASURES, Measure
from splatdream.laboratory.overview import overview
from splatdream.laboratory.plan import read_plan
from splatdream.laboratory.progress import Progress, status_text
from splatdream.laboratory.records import claim_path, forget_failures, standing
from splatdream.laboratory.report import ONE_BUDGET, write_report
from splatdream.laboratory.work import work


@pytest.fixture
def runs():
    return FakeRuns()


def study_of(folder, **changes):
    study = resolved_study(read_plan(written(folder, **changes)))
    study.write(folder / "out")
    return read_study(folder / "out")


def test_every_cell_is_run_once_and_what_changed_again(tmp_path, runs):
    out = tmp_path / "out"
    work(study_of(tmp_path), out, runs)
    assert runs.ran == ["words-an_orange_cat", "words-a_red_car", "blind-an_orange_cat", "blind-a_red_car"]
    work(study_of(tmp_path), out, runs)
    work(study_of(tmp_path, variants={"called otherwise": {}}), out, runs)
    assert len(runs.ran) == 4
    work(study_of(tmp_path, seeds=[0, 1], prompts=["a red car"]), out, runs)
    assert runs.ran[4:] == ["words-a_red_car-1", "blind-a_red_car-1"]
    # A run that is gone is made again.
    record = next(iter(standing(out, study_of(tmp_path)).finished.values()))
    (out / record.run / "result.json").unlink()
    work(study_of(tmp_path), out, runs)
    assert runs.ran[6:] == ["words-an_orange_cat"]


def test_a_failed_run_is_written_down_does_not_stop_the_rest_and_is_tried_again(tmp_path, runs):
    study, out = study_of(tmp_path), tmp_path / "out"
    runs.failing = {"blind-an"}
    work(study, out, runs)
    assert len(runs.ran) == 4 and standing(out, study).line() == "3 done, 0 running, 1 failed, 0 waiting"
    text = write_report(study, out)
    assert "## Failed" in text and "| blind, an orange cat, seed 0 | the run in" in text and "out of luck" in text
    assert "failed: blind, an orange cat, seed 0: the run in" in status_text(study, out)
    work(study, out, runs)
    assert len(runs.ran) == 4
    runs.failing = set()
    forget_failures(out, study)
    work(study, out, runs)
    assert runs.ran[4:] == ["blind-an_orange_cat"] and "## Failed" not in write_report(study, out)


def test_a_measure_is_a_function_and_a_line_and_is_taken_of_runs_that_are_there(tmp_path, runs, monkeypatch):
    out = tmp_path / "out"
    work(study_of(tmp_path), out, runs)

    def letters(asset, prompt, result):
        return {"letters": len(prompt), "first": prompt[0]}

    monkeypatch.setitem(MEASURES, "letters", Measure(letters, ("letters", "first"), "Letters of the prompt."))
    study = study_of(tmp_path, measures=["letters"])
    work(study, out, runs)
    assert len(runs.ran) == 4
    text = write_report(study, out)
    assert "Letters of the prompt." in text and "| words | as configured | 2 | 11 | 2 a |" in text


def test_a_measure_that_is_added_to_a_plan_is_all_that_is_measured(tmp_path, runs, monkeypatch):
    taken = []

    def letters(asset, prompt, result):
        taken.append(prompt)
        return {"letters": float(len(prompt))}

    monkeypatch.setitem(MEASURES, "letters", Measure(letters, ("letters",), "Letters."))
    monkeypatch.setitem(MEASURES, "words", Measure(lambda *_: {"words": 3.0}, ("words",), "Words."))
    out = tmp_path / "out"
    work(study_of(tmp_path, measures=["letters"]), out, runs)
    both = study_of(tmp_path, measures=["letters", "words"])
    work(both, out, runs)
    assert len(taken) == len(runs.ran) == 4
    numbers = [record.numbers for record in standing(out, both).finished.values()]
    assert [sorted(found) for found in numbers] == [["letters", "words"]] * 4


def test_a_measure_that_breaks_is_a_failure_of_its_cell(tmp_path, runs, monkeypatch):
    def broken(asset, prompt, result):
        return {"half": 1 / (prompt != "a red car")}

    monkeypatch.setitem(MEASURES, "half", Measure(broken, ("half",), ""))
    study = study_of(tmp_path, measures=["half"])
    work(study, tmp_path / "out", runs)
    assert {record.error for record in standing(tmp_path / "out", study).failed.values()} == {"division by zero"}


def test_a_second_stage_starts_from_the_first_which_variants_share(tmp_path, runs):
    then = {"base": str(CONFIGS / "toybox-texture.yaml"), "settings": {"trainer.max_steps": 3}}
    variants = {"long": {"then": then}, "short": {"then": then | {"settings": {"trainer.max_steps": 2}}}}
    study, out = study_of(tmp_path, variants=variants, prompts=["a red car"]), tmp_path / "out"
    work(study, out, runs)
    assert runs.ran == ["long-a_red_car", "long-a_red_car", "short-a_red_car"]
    (first,) = [path for path in (out / "runs").iterdir() if f'"{path}/ckpts/last.ckpt"' in " ".join(runs.asked[1])]
    assert f'system.geometry_convert_from="{first}/ckpts/last.ckpt"' in runs.asked[2]
    assert study.settings["short"] == {"then.trainer.max_steps": 2, "then.checkpoint.every_n_train_steps": 2}
    work(study, out, runs)
    assert len(runs.ran) == 3


def test_a_claim_belongs_to_one_and_says_whose_it_is(tmp_path):
    path = tmp_path / "claims" / "x"
    with claim(path, "mine") as first, claim(path) as second:
        assert first and not second
        assert claimant(path)["note"] == "mine"
    assert claimant(path) is None
    with claim(path) as again:
        assert again


def test_what_another_worker_has_is_left_to_it_and_taken_when_it_is_gone(tmp_path, runs, monkeypatch):
    study, out = study_of(tmp_path), tmp_path / "out"
    theirs = claim(claim_path(out, study.cells[0].key))
    assert theirs.__enter__()
    states = []

    def pause(seconds):
        states.append(standing(out, study).line())
        theirs.__exit__(None, None, None)

    monkeypatch.setattr(working.time, "sleep", pause)
    work(study, out, runs)
    assert states == ["3 done, 1 running, 0 failed, 0 waiting"]
    assert runs.ran[-1] == "words-an_orange_cat" and len(runs.ran) == 4


def test_the_report_says_what_was_made_how_sure_it_is_and_of_what(tmp_path, runs, monkeypatch):
    def score(asset, prompt, result):
        gain = 3.0 if "blind" in result.folder.name else 0.0
        return {"score": gain + (10 if prompt == "a red car" else 20) + 2 * ("-1-" in result.folder.name)}

    monkeypatch.setitem(MEASURES, "score", Measure(score, ("score",), "A score.", ("score",)))
    study, out = study_of(tmp_path, seeds=[0, 1], measures=["cost", "score"]), tmp_path / "out"
    work(study, out, runs)
    text = write_report(study, out)
    # Prompts differ by 10, seeds by 2; the difference of the variants is 3 in every pair.
    assert "| words | as configured | 4 | 20 | 40 | 3 | 16 [11, 21] |" in text
    assert "| blind | as configured | score | 2 | +3 [3, 3] | 0.500 | 0.500 |" in text
    assert "In score **blind** leads by +3 [3, 3] over words; this is **not sure**." in text
    assert ONE_BUDGET in text and "at least 6 prompts, all of which differ and agree, are needed" in text
    assert '| system.guidance.prior.condition | "view_words" | "view_blind" |' in text
    assert "| torch | 9.9 |" in text and "| device | abacus |" in text
    with (out / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    numbers = [(row["variant"], row["prompt"], row["seed"], row["score"]) for row in rows]
    assert numbers[0] == ("words", "an orange cat", "0", "20.0") and numbers[-1] == ("blind", "a red car", "1", "15.0")
    page = (out / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 8 and page.count("<option") == 2
    assert "http" not in page.replace("http-equiv", "") and "not sure" in page and "+3 [3, 3]" in page


def test_a_report_warns_where_runs_were_made_with_different_versions(tmp_path, runs):
    study, out = study_of(tmp_path), tmp_path / "out"
    work(study, out, runs)
    assert "Runs differ" not in write_report(study, out)
    path = next(out.glob("runs/*/save/manifest.json"))
    path.write_text(path.read_text().replace("9.9", "10.0"))
    text = write_report(study, out)
    assert "**Runs differ in torch (" in text and "9.9" in text and "10.0" in text


def test_budgets_that_share_a_run_make_it_once_and_are_one_line(tmp_path, runs):
    study = study_of(tmp_path, budgets={"evaluations": [40], "steps": [20]}, prompts=["an orange cat"])
    work(study, tmp_path / "out", runs)
    assert len(runs.ran) == 2
    text = write_report(study, tmp_path / "out")
    assert "| words | 40 evaluations = 20 steps | 1 |" in text and "| words | 20 steps |" not in text
    assert "2 done, 0 running, 0 failed, 0 waiting" in text


def test_one_comparison_is_not_corrected_for_twice(tmp_path, runs, monkeypatch):
    # At 40 evaluations as at 20 steps both variants have the same two runs.
    monkeypatch.setitem(MEASURES, "score", Measure(lambda *_: {"score": 1.0}, ("score",), "A score.", ("score",)))
    budgets = {"evaluations": [40], "steps": [20, 10]}
    study = study_of(tmp_path, budgets=budgets, measures=["score"])
    work(study, tmp_path / "out", runs)
    found = differences(study, rows_of(study, standing(tmp_path / "out", study)))
    assert [item.budget for item in found] == ["40 evaluations = 20 steps", "10 steps"]


def test_where_less_is_better_the_smallest_leads(tmp_path, runs, monkeypatch):
    def faults(asset, prompt, result):
        return {"faults": float("blind" not in result.folder.name)}

    monkeypatch.setitem(MEASURES, "faults", Measure(faults, ("faults",), "Faults.", ("faults",), ("faults",)))
    study = study_of(tmp_path, measures=["faults"])
    work(study, tmp_path / "out", runs)
    assert "In faults **blind** leads by -1" in write_report(study, tmp_path / "out")


def test_an_overview_has_a_row_a_prompt_and_is_gray_where_nothing_was_made(tmp_path, runs):
    study, out = study_of(tmp_path, budgets={"steps": [20, 10]}), tmp_path / "out"
    with pytest.raises(ValueError, match="nothing is there yet of 20 steps"):
        overview(study, out, standing(out, study), "20 steps")
    work(study, out, runs, may_go_on=lambda: len(runs.ran) < 1)
    (cell,) = [cell for cell in study.cells if cell.key in standing(out, study).finished]
    drawn = overview(study, out, standing(out, study), cell.budget)
    # Each of the two variants and two prompts has a front and a back of 80 pixels; three of the four are to come.
    assert drawn.shape[0] > 2 * 80 and drawn.shape[1] > 2 * 2 * 80
    assert (drawn == drawn[..., :1]).all(-1).sum() >= 3 * 2 * 80**2
    with pytest.raises(ValueError, match="no budget '7 steps'; choose one of '20 steps', '10 steps'"):
        overview(study, out, standing(out, study), "7 steps")


@pytest.fixture(scope="module")
def report_of_curves(tmp_path_factory):
    """The text and the folder of a study over two budgets."""
    runs, folder = FakeRuns(), tmp_path_factory.mktemp("curves")

    def score(asset, prompt, result):
        steps = next(text for text in runs.asked[-1] if text.startswith("trainer.max_steps="))
        return {"score": float(steps.partition("=")[2])}

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEASURES, "score", Measure(score, ("score",), "A score.", ("score",)))
        study = study_of(folder, budgets={"steps": [10, 5]}, measures=["cost", "score"])
        work(study, folder / "out", runs)
        return write_report(study, folder / "out"), folder / "out"


def test_several_budgets_are_curves_with_gains_and_no_warning(report_of_curves):
    text, out = report_of_curves
    page = (out / "report.html").read_text()
    assert "| blind | 5 steps | 10 steps | score | +5 [5, 5] |" in text
    assert page.count("<polyline") == 2 * 3 and "score against evaluations" in page and "+5 [5, 5]" in page
    assert r"\begin{longtable}" in (out / "report.tex").read_text()
    assert "| blind | 5 steps | 2 |" in text and "| blind | 10 steps | 2 |" in text and ONE_BUDGET not in text


# What is as wide as it must be can be pushed aside, in a place of its own.
OUT_OF_PLACE = """[...document.querySelectorAll('table, svg, canvas, img')]
    .filter((each) => !each.closest('.wide') && each.getBoundingClientRect().right > innerWidth)
    .map((each) => each.outerHTML.slice(0, 80))"""
# A strip of pictures reaches no farther than its place in the table.
CUT_OFF = """[...document.querySelectorAll('#pictures img')].filter((each) => each.getClientRects().length
    && each.getBoundingClientRect().right > each.closest('td').getBoundingClientRect().right).map((each) => each.alt)"""


@pytest.mark.browser
@pytest.mark.parametrize("screen", SCREENS)
def test_pictures_curves_and_tables_of_a_report_are_on_the_screen(browser, report_of_curves, screen):
    page = report_of_curves[1] / "report.html"
    browser.open(page.as_uri(), *SCREENS[screen], "document.readyState === 'complete'")
    assert browser.faults() == []
    assert browser.evaluate(OUT_OF_PLACE) == [] and browser.evaluate(CUT_OFF) == []
    # The gray ball that every run made, in its strip and to be turned.
    for picture in ("#pictures img", "#pair canvas"):
        assert 0.02 < (browser.picture_of(picture) < 0.95).all(axis=-1).mean() < 0.9
    widths = "[...document.querySelectorAll('.curve svg[role]')].map((each) => each.getBoundingClientRect().width)"
    assert len(browser.evaluate(widths)) == 3 and min(browser.evaluate(widths)) > 250
    # Where the pictures are pushed aside, the name of their prompt stays.
    browser.evaluate("document.querySelector('.wide').scrollTo(1000, 0)")
    assert browser.evaluate("document.querySelector('#pictures th[scope=row]').getBoundingClientRect().left") >= 0


def test_progress_says_how_long_the_rest_takes(tmp_path, runs, capsys):
    study, now = study_of(tmp_path), 100.0
    progress = Progress(study, tmp_path / "out", clock=lambda: now, is_terminal=False)
    progress.notice(study.cells[0], None)
    work(study, tmp_path / "out", runs, may_go_on=lambda: len(runs.ran) < 1)
    now = 160.0
    progress.look()
    assert capsys.readouterr().out.splitlines() == [
        "[1/4] words, an orange cat, seed 0",
        f"[1/4] words, an orange cat, seed 0, {0:.0f} s, 3 min to go",
    ]
    Progress(study, tmp_path / "out")
    assert "1 of 4 results are in" in capsys.readouterr().out


def test_the_cost_is_told_from_finished_runs_or_from_a_trial_that_leaves_nothing(tmp_path, runs):
    study, out = study_of(tmp_path), tmp_path / "out"
    before = sorted(tmp_path.rglob("*"))
    text = cost_text(study, out, runs)
    assert "4 results: 0 are there, 4 to be made" in text and "words: 2, to be made 2, 0 s each, by a trial" in text
    assert sorted(tmp_path.rglob("*")) == before and len(runs.ran) == 4
    work(study, out, runs)
    for record in (out / "cells").glob("*.json"):
        record.write_text(json.dumps(json.loads(record.read_text()) | {"seconds": 50.0}))
    more = study_of(tmp_path, seeds=[0, 1])
    text = cost_text(more, out, runs)
    assert (
        "8 results: 4 are there, 4 to be made" in text and "blind: 4, to be made 2, 50 s each, by finished runs" in text
    )
    assert "one process: 3 min to go" in text
