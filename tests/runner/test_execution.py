"""A run is whole or not at all, wherever it is executed."""

import json
import sys
from pathlib import Path

import pytest
from splatdream.priors import registered_networks
from splatdream.runner.execution import ChildProcess, InProcess, Runs, finished_run
from splatdream.runner.fingerprint import fingerprint
from splatdream.runner.request import RunRequest, setting
from splatdream.runner.results import by_step, find_result, read_result

CONFIGS = Path(__file__).parents[2] / "configs"
QUICK = ("trainer.max_steps=1", "trainer.enable_progress_bar=false", "trainer.limit_val_batches=0")
SMALL = ("data.num_test_views=1", "system.exporter.save_video=false", "system.exporter.formats=[ply]")


def tiny(*overrides: str, prompt: str | None = None) -> RunRequest:
    return RunRequest(str(CONFIGS / "tiny.yaml"), [*QUICK, *SMALL, *overrides], prompt)


def never(arguments, log):
    pytest.fail("ran")


KILLED = """
import os, pathlib, signal, sys
said = dict(word.split("=", 1) for word in sys.argv if "=" in word)
folder = pathlib.Path(*(said[key] for key in ("exp_root_dir", "name", "tag")))
(folder / "save" / "it99-export").mkdir(parents=True)
(folder / "save" / "it99-export" / "cloud.ply").write_text("half a cloud")
print("at step 3", file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_child_leaves_no_finished_run_and_the_next_call_makes_it_whole(tmp_path):
    folder = tmp_path / "a folder: [odd" / "run"
    with pytest.raises(RuntimeError, match=r"failed: ended by SIGKILL \| at step 3; what finished before it is kept"):
        finished_run(tiny(), folder, ChildProcess((sys.executable, "-c", KILLED)))
    record = read_result(folder)
    assert record.status == "failed" and not record.is_finished(record.fingerprint)
    result = finished_run(tiny(), folder, InProcess())
    assert result.file("cloud") == folder / "save" / "it1-export" / "cloud.ply"
    assert result.evaluations == 2 and result.seconds > 0 and result.read_manifest()["status"] == "finished"
    assert list((folder / "save").glob("it*-export")) == [folder / "save" / "it1-export"]
    assert finished_run(tiny(), folder, never) == read_result(folder) == result


def test_a_run_whose_process_ends_with_its_caller_is_not_taken_for_finished(tmp_path):
    def interrupted(arguments, log):
        return 130

    with pytest.raises(KeyboardInterrupt):
        finished_run(tiny(), tmp_path / "x" / "run", interrupted)
    assert read_result(tmp_path / "x" / "run") is None


def test_a_failed_run_is_recorded_with_its_sentence_and_tried_again(tmp_path, capsys):
    runs, request = Runs(tmp_path, InProcess()), tiny(prompt="an orange unicorn")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="unicorn"):
            runs.run(request)
    (folder,) = tmp_path.iterdir()
    record = json.loads((folder / "result.json").read_text())
    assert record["status"] == "failed" and "unicorn" in record["error"] and "--verbose" not in record["error"]
    assert runs.find(request) is None
    assert "unicorn" in (folder / "run.log").read_text() and capsys.readouterr().err.count("error: ") == 2


def test_another_request_in_the_same_folder_replaces_what_was_there(tmp_path):
    folder = tmp_path / "x" / "run"
    finished_run(tiny("trainer.max_steps=2"), folder, InProcess())
    (folder / "notes.txt").write_text("mine")
    stamped = tmp_path / "parsed.yaml"
    stamped.write_text((CONFIGS / "tiny.yaml").read_text() + "timestamp: '@20260101-000000'\n")
    result = finished_run(RunRequest(str(stamped), tiny().overrides), folder, InProcess())
    assert result.fingerprint == fingerprint(tiny())
    assert [path.parent.name for path in (folder / "save").glob("*/cloud.ply")] == ["it1-export"]
    assert result.file("cloud").parent.name == "it1-export" and (folder / "notes.txt").exists()


def test_a_run_is_never_begun_in_the_folder_that_its_configuration_is_in(tmp_path):
    folder = tmp_path / "x" / "run"
    config = folder / "configs" / "parsed.yaml"
    config.parent.mkdir(parents=True)
    config.write_text((CONFIGS / "tiny.yaml").read_text())
    with pytest.raises(ValueError, match="copy it elsewhere"):
        finished_run(RunRequest(str(config)), folder, never)
    assert config.exists()


def test_a_child_and_this_process_make_the_same_cloud(tmp_path):
    request = tiny(prompt="a red car")
    here = finished_run(request, tmp_path / "here" / "run", InProcess())
    child = finished_run(request, tmp_path / "child" / "run", ChildProcess())
    assert child.file("cloud").read_bytes() == here.file("cloud").read_bytes()
    assert child.fingerprint == here.fingerprint and (child.folder / "run.log").read_text()


def test_a_kept_prior_serves_the_next_run_as_a_new_one_would(tmp_path, monkeypatch):
    pytest.importorskip("peft")
    import tiny_models

    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    loaded = []
    load = registered_networks.load_stable_diffusion
    counted = lambda **options: loaded.append(options["model"]) or load(**options)  # noqa: E731
    monkeypatch.setattr(registered_networks, "load_stable_diffusion", counted)
    first, second = (str(tiny_models.make_tiny_stable_diffusion(tmp_path / name)) for name in ("one", "moved"))

    def request(model: str, *overrides: str) -> RunRequest:
        few = ["system.geometry.num_points=50", "data.width=[16]", "data.height=[16]", *overrides]
        place = setting("system.guidance.prior.model", model)
        return RunRequest(str(CONFIGS / "quickstart-sd.yaml"), [*QUICK, *SMALL, *few, place])

    kept = Runs(tmp_path / "kept", InProcess())
    kept.run(request(first, "system.guidance.method=vsd", "system.loss.lambda_lora=1.0"))
    after = kept.run(request(second, "seed=1"))
    assert loaded == [first]
    anew = Runs(tmp_path / "anew", InProcess()).run(request(second, "seed=1"))
    assert loaded == [first, second]
    assert after.file("cloud").read_bytes() == anew.file("cloud").read_bytes()


def test_the_newest_result_is_that_of_the_last_step(tmp_path):
    for step in (1000, 600, 0):
        (tmp_path / f"it{step}-export").mkdir()
        (tmp_path / f"it{step}-export" / "cloud.ply").write_text(str(step))
        (tmp_path / f"it{step}-test.html").write_text(str(step))
    assert [path.read_text() for path in by_step(tmp_path, "it*-export/cloud.ply")] == ["0", "600", "1000"]
    assert by_step(tmp_path, "*-test.html")[-1].read_text() == "1000"


def test_a_run_is_found_by_what_it_is_and_not_by_its_name(tmp_path):
    def leave_a_checkpoint(arguments, log):
        (log.parent / "ckpts").mkdir()
        (log.parent / "ckpts" / "last.ckpt").write_text("weights")
        return 0

    result = Runs(tmp_path, leave_a_checkpoint).run(tiny())
    result.folder.rename(tmp_path / "renamed")
    assert Runs(tmp_path, never).run(tiny()).file("checkpoint") == tmp_path / "renamed" / "ckpts" / "last.ckpt"
    assert find_result(tmp_path, "something else") is None
    (tmp_path / "renamed" / "result.json").write_text('{"of": "another version"}')
    assert Runs(tmp_path, never).find(tiny()) is None
    with pytest.raises(FileNotFoundError, match="left no cloud"):
        result.file("cloud")
