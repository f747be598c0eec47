"""Workers on Ray make the grid, and one that is killed in the middle loses its run only."""

import os
import signal
import threading
import time

import pytest
from fake_runs import written
from splatdream.commands.main import main
from splatdream.laboratory.cells import read_study
from splatdream.laboratory.claims import claimant
from splatdream.laboratory.records import claim_path, standing
from splatdream.laboratory.worker_environment import worker_environment

pytest.importorskip("ray", reason="ray is not installed")
_PATIENCE_S = 120.0


def kill_first_worker(folder, killed):
    """Kills who has claimed a cell, as soon as anybody has."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end and not killed:
        if (folder / "study.json").is_file():
            for cell in standing(folder, read_study(folder)).running:
                found = claimant(claim_path(folder, cell.key))
                if found and found["process"]:
                    os.kill(found["process"], signal.SIGKILL)
                    killed.append(cell.key)
                    return
        time.sleep(0.05)


@pytest.mark.slow
def test_a_ray_worker_that_is_killed_is_replaced_and_the_report_is_that_of_an_undisturbed_grid(tmp_path, capsys):
    path, out, killed = str(written(tmp_path, budgets={"steps": [60]})), tmp_path / "out", []
    killer = threading.Thread(target=kill_first_worker, args=(out, killed))
    killer.start()
    assert main(["lab", "run", path, "--output", str(out), "--ray"]) == 0
    killer.join()
    assert killed and "4 done, 0 running, 0 failed, 0 waiting" in capsys.readouterr().out
    assert len(list((out / "runs").iterdir())) == 4 == len(list((out / "runs").glob("*/result.json")))
    assert "## Failed" not in (out / "report.md").read_text()


def test_a_cluster_that_is_not_there_and_too_few_workers_are_told(tmp_path, capsys):
    command = ["lab", "run", str(written(tmp_path, prompts=["a red car"])), "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--ray", "--workers", "-1"])
    assert "--workers: '-1' must be a whole number from 0 to 256" in capsys.readouterr().err
    assert main([*command, "--gpus", "0.5"]) == 1
    assert "--gpus 0.5 is of Ray workers; add --ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_workers_share_the_cores():
    cores = len(os.sched_getaffinity(0))
    assert worker_environment(1)["OMP_NUM_THREADS"] == str(cores)
    assert worker_environment(10 * cores)["NUMBA_NUM_THREADS"] == "1"
