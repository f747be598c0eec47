"""Processes may be killed at any moment: nothing that was finished is lost, and nothing is run twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_runs import written
from splatdream.commands.main import main
from splatdream.laboratory.cells import read_study
from splatdream.laboratory.claims import claimant
from splatdream.laboratory.records import claim_path, standing

pytestmark = pytest.mark.slow
_PATIENCE_S = 240.0


@pytest.fixture
def lab(tmp_path):
    """The command `lab run` on a grid of four runs, and its folder."""
    path = written(tmp_path, budgets={"steps": [200]})
    return [
        sys.executable,
        "-m",
        "splatdream",
        "lab",
        "run",
        str(path),
        "--output",
        str(tmp_path / "out"),
    ], tmp_path / "out"


def started(command: list[str], folder: Path) -> subprocess.Popen:
    """Runs until the first result is there and another one is being made."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        if (folder / "study.json").is_file():
            now = standing(folder, read_study(folder))
            if now.finished and now.running:
                return process
        time.sleep(0.05)
    process.kill()
    pytest.fail("nothing was made in time")


def trained(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/result.json")}


def running_process(folder: Path) -> int:
    """Of a worker that has just begun a run, so that it is in the middle of it for some seconds to come."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        for cell in standing(folder, read_study(folder)).running:
            path = claim_path(folder, cell.key)
            if time.time() - path.stat().st_mtime < 1.0 and (owner := claimant(path)) and owner["process"]:
                return owner["process"]
        time.sleep(0.02)
    pytest.fail("no run began in time")


def ended(folder: Path) -> None:
    """Waits until no worker is left that finishes what it had begun."""
    while standing(folder, read_study(folder)).running:
        time.sleep(0.1)


def test_two_drivers_and_a_worker_make_each_run_once(lab, capsys):
    command, folder = lab
    other = started([*command, "--workers", "1"], folder)
    assert main(command[3:]) == 0
    assert other.wait(_PATIENCE_S) == 0
    assert len(trained(folder)) == 4 == len(list((folder / "runs").iterdir()))
    assert "4 done, 0 running, 0 failed, 0 waiting" in capsys.readouterr().out
    (log,) = (folder / "workers").glob("*.log")
    assert "results go to" in log.read_text()


def test_a_killed_worker_loses_its_run_only_and_a_second_call_makes_it(lab, capsys):
    command, folder = lab
    # One worker: of two the other may take up the run before its driver sees the death, and then nothing has failed.
    driver = started([*command, "--workers", "1"], folder)
    os.kill(running_process(folder), signal.SIGKILL)
    assert driver.wait(_PATIENCE_S) == 0
    before = trained(folder)
    (record,) = standing(folder, read_study(folder)).failed.values()
    assert "its worker ended by SIGKILL" in record.error and len(before) == 3
    assert main([*command[3:], "--workers", "2"]) == 0
    assert "1 failed" not in capsys.readouterr().out
    assert len(trained(folder)) == 4 and before.items() <= trained(folder).items()
    assert "## Failed" not in (folder / "report.md").read_text()


def test_workers_end_after_a_killed_driver_and_the_next_call_runs_nothing_twice(lab):
    command, folder = lab
    driver = started([*command, "--workers", "1"], folder)
    worker = running_process(folder)
    driver.kill()
    driver.wait()
    ended(folder)
    before = trained(folder)
    assert 1 <= len(before) < 4
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(worker, 0)
            time.sleep(0.1)
    assert main(command[3:]) == 0
    assert len(trained(folder)) == 4 and before.items() <= trained(folder).items()
