"""The suite goes on after what fails, keeps what was measured, measures nothing twice, and says what it measured."""

import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from splatdream.commands.main import main
from splatdream.gpu_suite import suite
from splatdream.gpu_suite.page import HEAD
from splatdream.gpu_suite.part import Goal, Part, Settings, flat
from splatdream.gpu_suite.wheels import without_unused


def part(name, measure, *goals):
    return Part(name, f"what {name} should do", measure, goals)


def breaks(settings, results):
    results.add(first=1.5)
    raise RuntimeError("the driver | went away")


PARTS = {
    "broken": part("broken", breaks),
    "whole": part("whole", lambda settings, results: results.add(step={"ratio": 1.2}), Goal("*.ratio", 1.05)),
}


def run(folder, *names, launched=None):
    def launch(name, settings):
        if launched is not None:
            launched.append(name)
        try:
            suite.measure_part(PARTS[name], settings)
        except RuntimeError as error:
            return str(error)
        return ""

    return suite.run_suite(Settings(folder, is_smoke=True), names, PARTS, launch)


def record(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def test_a_part_that_fails_keeps_its_numbers_and_the_next_one_runs(tmp_path):
    assert not run(tmp_path)
    assert record(tmp_path, "broken")["status"] == "failed"
    assert record(tmp_path, "broken")["measured"] == {"first": 1.5}
    assert record(tmp_path, "whole")["status"] == "finished"


def test_a_second_call_measures_what_did_not_finish_and_a_named_part_in_any_case(tmp_path):
    run(tmp_path)
    launched = []
    run(tmp_path, launched=launched)
    assert launched == ["broken"]
    run(tmp_path, "whole", launched=launched)
    assert launched == ["broken", "whole"]


def test_the_page_has_expectations_numbers_and_missed_goals(tmp_path):
    run(tmp_path, "whole")
    text = (tmp_path / "page.md").read_text()
    assert "what whole should do" in text and "| step.ratio | 1.2 |" in text
    assert "`step.ratio` is 1.2, expected at most 1.05" in text
    assert "nothing of speed" in text
    assert text.split("## broken")[1].split("##")[0].strip().endswith("Not measured.")
    run(tmp_path)
    assert "the driver \\| went away" in (tmp_path / "page.md").read_text()


def test_results_are_at_most_eight_files():
    assert len([*suite.PARTS, "page.md"]) <= 8


def test_a_smoke_run_is_no_measurement(tmp_path):
    run(tmp_path)
    assert suite.read_record(Settings(tmp_path, is_smoke=False), "whole") == {}


def test_a_goal_bounds_the_names_that_match_from_the_side_it_says():
    measured = {"a": {"db": 20.0, "ratio": 1.0}, "b": {"db": 40.0, "note": "not run"}}
    assert flat(measured) == {"a.db": 20.0, "a.ratio": 1.0, "b.db": 40.0, "b.note": "not run"}
    missed = part("p", breaks, Goal("*.db", 30, is_upper=False), Goal("*.note", 1)).missed(measured)
    assert missed == ["`a.db` is 20, expected at least 30"]


def test_without_a_gpu_the_suite_ends_in_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["doctor", "--gpu", "--output", str(tmp_path)]) == 1
    assert "--smoke runs the suite at tiny size" in capsys.readouterr().err
    assert main(["doctor", "--gpu", "--part", "speed", "--smoke"]) == 1
    assert "speed is unknown; choose from environment, tests" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_wheel_loses_its_documentation_and_nothing_else(tmp_path):
    wheel = tmp_path / "gsplat-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("gsplat/a.py", "gsplat/cuda/csrc/third_party/glm/glm/x.hpp"):
            archive.writestr(name, "kept")
        archive.writestr("gsplat/cuda/csrc/third_party/glm/doc/man.html", "dropped")
    without_unused(wheel)
    with zipfile.ZipFile(wheel) as archive:
        assert archive.namelist() == ["gsplat/a.py", "gsplat/cuda/csrc/third_party/glm/glm/x.hpp"]
        assert archive.read("gsplat/a.py") == b"kept"
    assert [path.name for path in tmp_path.iterdir()] == [wheel.name]


def test_a_part_that_takes_too_long_ends_with_all_that_it_started(tmp_path):
    child = f"import pathlib, time; time.sleep(3); pathlib.Path({str(tmp_path / 'late')!r}).touch()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert suite.run_for_at_most(1.5, [sys.executable, "-c", parent], os.environ) == "took longer than 1.5 s"
    time.sleep(3)
    assert not (tmp_path / "late").exists()
    assert (
        suite.run_for_at_most(60, [sys.executable, "-c", "exit('no memory')"], os.environ) == "exit code 1: no memory"
    )


def test_an_interrupted_part_shows_what_it_measured(tmp_path):
    suite.measure_part(PARTS["whole"], Settings(tmp_path, is_smoke=True))
    run(tmp_path, "broken")
    assert "Interrupted." in (tmp_path / "page.md").read_text()


def test_a_smoke_run_is_not_held_to_goals_of_speed():
    fast = part("fast", breaks, Goal("seconds", 1, is_of_speed=True))
    assert fast.missed({"seconds": 2.0}) and not fast.missed({"seconds": 2.0}, is_smoke=True)


@pytest.mark.parametrize("name", ["environment", "rasterizer"])
def test_a_part_runs_at_tiny_size_without_a_gpu(name, tmp_path):
    settings = Settings(tmp_path, is_smoke=True)
    suite.measure_part(suite.PARTS[name], settings)
    measured = suite.read_record(settings, name)["measured"]
    assert measured and not suite.PARTS[name].missed(measured, is_smoke=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", suite.PARTS)
def test_the_command_runs_every_part_at_tiny_size(name, tmp_path):
    assert main(["doctor", "--gpu", "--smoke", "--part", name, "--output", str(tmp_path)]) == 0
    assert record(tmp_path, name)["status"] == "finished"


def test_the_page_of_the_documentation_has_every_part_and_what_is_expected_of_it():
    text = (Path(__file__).parents[2] / "docs" / "gpu.md").read_text()
    assert text.startswith(HEAD)
    for name, described in suite.PARTS.items():
        assert f"## {name}\n\nExpected: {described.expected}\n" in text
