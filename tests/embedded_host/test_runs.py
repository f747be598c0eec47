"""Whole runs of a tiny system whose parameter grows, over the command line."""

import json
import os
import shutil
from pathlib import Path

import pytest
import tiny_plugin
import torch
from omegaconf import OmegaConf
from splatdream.embedded_host.launch import main

TINY = Path(__file__).with_name("tiny.yaml")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")


def launch(*arguments, config=TINY):
    return main(["--config", str(config), "--gpu", "cpu", *arguments], lambda: None)


def train(tag, *overrides):
    """The folder of a finished run."""
    assert launch("--train", f"tag={tag}", "use_timestamp=false", *overrides) == 0
    return Path("outputs/tiny", tag)


def resume(trial, checkpoint, *overrides):
    config = trial / "configs" / "parsed.yaml"
    assert launch("--train", f"resume={trial}/ckpts/{checkpoint}", *overrides, config=config) == 0


def checkpoint_of(trial, name="last.ckpt"):
    return torch.load(trial / "ckpts" / name, weights_only=True)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_run_shows_its_progress_and_writes_its_trial_folder(capfd):
    trial = train("a b")
    bar = capfd.readouterr().err
    assert "5/5" in bar and "loss=" in bar and "points=3" in bar
    names = files_below(trial)
    assert [name for name in names if not name.startswith(("tb_logs", "save"))] == [
        "ckpts/epoch=0-step=5.ckpt",
        "ckpts/last.ckpt",
        "cmd.txt",
        "configs/parsed.yaml",
        "configs/raw.yaml",
        "csv_logs/version_0/metrics.csv",
    ]
    assert [name for name in names if name.startswith("save")] == [
        "save/it2-0.png",
        "save/it2-1.png",
        "save/it4-0.png",
        "save/it4-1.png",
        "save/it5-test/0.png",
        "save/it5-test/1.png",
    ]
    assert "train/loss" in (trial / "csv_logs/version_0/metrics.csv").read_text()
    assert "--train" in (trial / "cmd.txt").read_text()
    assert "${trainer.max_steps}" in (trial / "configs/raw.yaml").read_text()


def test_resume_is_bit_equal_across_growth():
    straight = train("straight", "trainer.max_steps=13", "checkpoint.every_n_train_steps=4")
    expected = checkpoint_of(straight)
    assert expected["state_dict"]["geometry.points"].shape == (6, 3)
    for stop, checkpoint in ((4, "last.ckpt"), (7, "last.ckpt"), (12, "epoch=0-step=8.ckpt")):
        stopped = train(f"stopped-{stop}", f"trainer.max_steps={stop}", "checkpoint.every_n_train_steps=4")
        resume(stopped, checkpoint, "trainer.max_steps=13")
        actual = checkpoint_of(stopped)
        assert actual["global_step"] == expected["global_step"] == 13
        torch.testing.assert_close(actual["state_dict"], expected["state_dict"], rtol=0, atol=0)
        torch.testing.assert_close(
            actual["optimizer_states"][0]["state"], expected["optimizer_states"][0]["state"], rtol=0, atol=0
        )
        for path in (straight / "save").rglob("*.png"):
            assert (stopped / "save" / path.relative_to(straight / "save")).read_bytes() == path.read_bytes()


def test_a_longer_resume_writes_its_last_checkpoint_and_a_shorter_one_is_refused(capfd):
    trial = train("short")
    config = trial / "configs" / "parsed.yaml"
    assert launch("--train", f"resume={trial}/ckpts/last.ckpt", "trainer.max_steps=3", config=config) == 1
    assert "has 5 steps, and trainer.max_steps is 3: set it to 5" in capfd.readouterr().err
    # The interval of the first run is its number of steps.
    resume(trial, "last.ckpt", "trainer.max_steps=8")
    assert OmegaConf.load(trial / "configs/parsed.yaml").checkpoint.every_n_train_steps == 8
    assert checkpoint_of(trial)["global_step"] == 8
    resume(trial, "last.ckpt", "trainer.max_steps=10", "checkpoint.every_n_train_steps=1000")
    assert checkpoint_of(trial)["global_step"] == 10
    assert "${trainer.max_steps}" in (trial / "configs/raw.yaml").read_text()
    assert not list((trial / "ckpts").glob("*-v1.ckpt"))


def test_a_run_that_was_killed_after_its_last_step_is_finished_by_a_resume(monkeypatch):
    trial = train("killed")
    shutil.rmtree(trial / "save")
    (trial / "ckpts" / ".part-0123456789ab.ckpt").write_text("half a checkpoint")
    monkeypatch.setattr(tiny_plugin.TinySystem, "on_train_end", lambda system: system.save_json("ended.json", {}))
    resume(trial, "last.ckpt")
    assert files_below(trial / "save") == ["ended.json", "it5-test/0.png", "it5-test/1.png"]
    assert not list(trial.rglob(".part-*"))


def test_a_run_that_goes_astray_ends_and_keeps_its_last_good_checkpoint(monkeypatch, capfd):
    def spoil(system, *_):
        if system.global_step == 3:
            system.geometry.points.data[1] = torch.nan

    monkeypatch.setattr(tiny_plugin.TinySystem, "on_before_backward", spoil)
    assert launch("--train", "tag=astray", "use_timestamp=false", "checkpoint.every_n_train_steps=2") == 1
    trial = Path("outputs/tiny/astray")
    error = capfd.readouterr().err
    assert "error: step 4 is not saved: geometry.points has" in error and f"{trial}/ckpts/last.ckpt'" in error
    assert checkpoint_of(trial)["global_step"] == 2


def test_validate_test_and_export_use_the_step_of_the_checkpoint():
    trial = train("done")
    points = checkpoint_of(trial)["state_dict"]["geometry.points"]
    for mode in ("--validate", "--test", "--export"):
        (trial / "save").rename(trial / f"before{mode}")
        config = trial / "configs" / "parsed.yaml"
        assert launch(mode, f"resume={trial}/ckpts/last.ckpt", config=config) == 0
        names = files_below(trial / "save")
        assert names and all(name.startswith("it5-") for name in names), mode
    exported = json.loads((trial / "save/it5-export/points.json").read_text())["points"]
    torch.testing.assert_close(torch.tensor(exported), points)


def test_export_without_a_checkpoint_exports_the_initial_state():
    assert launch("--export", "tag=fresh", "use_timestamp=false") == 0
    exported = json.loads(Path("outputs/tiny/fresh/save/it0-export/points.json").read_text())
    assert exported["points"] == [[0, 0, 0], [0, 0, 0]]


def test_weights_start_a_new_run_at_step_zero():
    first = train("first")
    second = train("second", f"system.weights={first}/ckpts/last.ckpt", "trainer.max_steps=1")
    assert checkpoint_of(second)["global_step"] == 1
    assert checkpoint_of(second)["state_dict"]["geometry.points"].shape == (3, 3)


def test_a_geometry_is_converted_from_that_of_the_newest_run_if_it_has_its_configuration(capfd):
    Path("outputs/tiny/first@1").mkdir(parents=True)
    trial = train("first@2")
    second = train("second", "system.geometry_convert_from=outputs/tiny/first@LAST/ckpts/last.ckpt")
    assert (checkpoint_of(second)["state_dict"]["geometry.points"] > 50).all()
    (trial / "configs" / "parsed.yaml").unlink()
    convert = f"system.geometry_convert_from={trial}/ckpts/last.ckpt"
    assert launch("--train", "tag=third", convert) == 1
    assert f"error: to convert the geometry of '{trial}/ckpts/last.ckpt' its run's" in capfd.readouterr().err


def test_the_dataset_and_the_parts_are_told_each_step_once(monkeypatch):
    told = []
    monkeypatch.setattr(
        tiny_plugin.TinySystem,
        "on_train_end",
        lambda system: told.extend([system.dataset.seen_steps, list(system.geometry.updates)]),
    )
    train("told", "trainer.limit_val_batches=0")
    assert told == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["system.geometry.num_pionts=3"], "unknown key 'num_pionts' in 'system.geometry'; did you mean 'num_points'"),
        (["system.renderer.radius=wide"], "system.renderer.radius"),
        (["sistem={}"], "unknown key 'sistem' in the top level; did you mean 'system'"),
        (["system.renderr={}"], "unknown key 'renderr' in 'system'; did you mean 'renderer'"),
        (["data.scal=1"], "unknown key 'scal' in 'data'; did you mean 'scale'"),
        (["system.geometry_type=tiny-geometri"], "did you mean 'tiny-geometry'"),
        (["system_type=tiny-sistem"], "did you mean 'tiny-system'"),
        (["trainer.max_step=3"], "unknown key 'max_step' in 'trainer'; did you mean 'max_steps'"),
        (["trainer.max_steps=abc"], "trainer.max_steps 'abc' must be a whole number of at least 1"),
        (["trainer.max_steps=0"], "trainer.max_steps 0 must be a whole number of at least 1"),
        (["trainer.devices=2"], "--gpu"),
        (["checkpoint.save_lst=true"], "did you mean 'save_last'"),
        (["resume=nowhere.ckpt"], "there is no checkpoint 'nowhere.ckpt'"),
        (["system.weights=nowhere.ckpt"], "there is no checkpoint 'nowhere.ckpt'"),
        (["--gpu", "0,1"], "one run uses one device"),
        (["--gpu", "0"], "--gpu 0 asks for a CUDA device, and torch finds none"),
        (["--gradio"], "not offered"),
        (["max_steps"], "dotted.key=value"),
        (["exp_root_dir=/proc"], "/proc"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(arguments, message, capfd):
    assert launch("--train", *arguments) == 1
    error = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and message in error[0], error
    assert os.listdir() == []


def test_verbose_shows_the_traceback(capfd):
    assert launch("--train", "--verbose", "data.scal=1") == 1
    assert "Traceback" in capfd.readouterr().err


def test_a_damaged_checkpoint_is_one_sentence(capfd):
    path = train("whole") / "ckpts" / "last.ckpt"
    for keep_bytes in (1000, 100, 0):
        path.write_bytes(path.read_bytes()[:keep_bytes])
        assert launch("--export", f"resume={path}") == 1
        assert "is damaged" in capfd.readouterr().err


def test_a_checkpoint_that_runs_code_when_unpickled_is_refused(capfd):
    class Evil:
        def __reduce__(self):
            return os.mkdir, ("executed",)

    torch.save({"state_dict": Evil()}, "evil.ckpt")
    assert launch("--export", "resume=evil.ckpt") == 1
    assert not os.path.exists("executed")


def test_a_checkpoint_of_another_configuration_is_one_sentence(capfd):
    trial = train("one", "trainer.max_steps=1")
    path = trial / "ckpts" / "last.ckpt"
    checkpoint = checkpoint_of(trial)
    checkpoint["state_dict"]["guidance.weight"] = torch.zeros(1)
    torch.save(checkpoint, path)
    assert launch("--export", f"resume={path}") == 1
    assert "does not fit" in capfd.readouterr().err


def test_a_full_disk_is_one_sentence_and_keeps_the_earlier_checkpoints(monkeypatch, capfd):
    original = torch.save

    def save(checkpoint, file):
        original(checkpoint, file)
        if checkpoint.get("global_step") == 4:
            file.truncate(10)
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", save)
    assert launch("--train", "tag=full", "use_timestamp=false", "checkpoint.every_n_train_steps=2") == 1
    error = capfd.readouterr().err
    assert "No space left on device" in error and "earlier checkpoints are intact" in error
    trial = Path("outputs/tiny/full")
    assert sorted(os.listdir(trial / "ckpts")) == ["epoch=0-step=2.ckpt", "last.ckpt"]
    assert checkpoint_of(trial)["global_step"] == 2


def test_an_interrupted_run_says_so_and_keeps_its_checkpoints(monkeypatch, capfd):
    def interrupt(system):
        if system.global_step == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(tiny_plugin.TinySystem, "on_before_backward", lambda system, loss: interrupt(system))
    assert launch("--train", "tag=cut", "use_timestamp=false", "checkpoint.every_n_train_steps=2") == 130
    assert "interrupted" in capfd.readouterr().err
    assert checkpoint_of(Path("outputs/tiny/cut"))["global_step"] == 2


def test_the_progress_bar_can_be_switched_off(capfd):
    train("quiet", "trainer.enable_progress_bar=false")
    assert "5/5" not in capfd.readouterr().err
