"""Runs of the studio are real: started, paused, stopped, resumed as processes, and found again by their folders."""

import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from splatdream.commands.main import main
from splatdream.runner.request import RunRequest
from splatdream.startup.shipped import find_config
from splatdream.studio.orders import method_names, method_settings, offer, ordered, prior_names
from splatdream.studio.processes import process_of
from splatdream.studio.saved_runs import checkpoints, cloud_at, saved_run, saved_runs
from splatdream.studio.steering import State, Steering
from splatdream.viewer.run_window import Asked, ask, read_shown

PATIENCE_S = 300.0
SMALL = ["data.num_test_views=1", "trainer.limit_val_batches=0", "system.exporter.formats=[ply]"]


@pytest.fixture
def steering(tmp_path):
    # Where the tests are a job in the background Ctrl-C is ignored, and so it would be by what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    steering = Steering(tmp_path / "studio", ["--gpu", "cpu"])
    yield steering
    steering.close()
    signal.signal(signal.SIGINT, before)


def _until(is_so, folder: Path) -> None:
    """Waits for a moment that must come, however slow the machine."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, (folder / "run.log").read_text()[-2000:]
        time.sleep(0.05)


def _order(steps: int, prompt: str = "a red cube", further: str = "") -> RunRequest:
    texts = {"system.guidance.guidance_scale": "2.0"}
    lines = "\n".join([*SMALL, further])
    return ordered(offer("tiny"), prompt, "csd", "closed-form", steps, 1, texts, lines)


@pytest.mark.slow
def test_a_run_is_watched_paused_stopped_and_resumed_to_its_end(steering):
    folder = steering.start(_order(1000, further="checkpoint.every_n_train_steps=20"))

    def shown():
        ask(folder, Asked(every_s=0.5, pictures=True))
        return read_shown(folder)

    _until(lambda: shown() is not None, folder)
    first = shown()
    assert set(first.pictures) == {"render", "noisy", "denoised", "gradient"}
    assert len({images.shape for images in first.pictures.values()}) == 1
    # The step's cameras look at the origin from the distance of training.
    torch.testing.assert_close(first.c2w[:, :3, 3].norm(dim=1), torch.full((2,), 2.5))
    with pytest.raises(RuntimeError, match="under way"):
        steering.start(_order(5))

    steering.pause(folder)
    _until(lambda: steering.state(folder) is State.PAUSED, folder)
    paused_at = shown().step
    for _ in range(20):
        ask(folder, Asked(every_s=0.5))
        time.sleep(0.1)
    assert read_shown(folder).step == paused_at
    steering.resume(folder)
    _until(lambda: shown().step > paused_at, folder)
    _until(lambda: checkpoints(folder), folder)

    steering.pause(folder)
    steering.stop(folder)
    assert process_of(folder) is None and steering.state(folder) is State.STOPPED
    saved = max(checkpoints(folder))
    assert saved < 1000 and cloud_at(folder, saved) is not None

    # What is left is shortened in the place where a person would: the run's own configuration.
    configuration = folder / "configs" / "parsed.yaml"
    text = configuration.read_text()
    assert "max_steps: 1000" in text
    configuration.write_text(text.replace("max_steps: 1000", f"max_steps: {saved + 5}"))
    other = Steering(steering.folder)  # as after a new start of the studio
    other.resume(folder)
    _until(lambda: other.state(folder) is not State.RUNNING, folder)
    assert other.state(folder) is State.FINISHED, (folder / "run.log").read_text()[-2000:]
    assert max(checkpoints(folder)) == saved + 5
    with pytest.raises(RuntimeError, match="nothing to resume"):
        other.resume(folder)
    run = saved_run(folder)
    assert (run.prompt, run.method, run.has_finished) == ("a red cube", "csd", True) and run.sheet.is_file()
    assert [each.folder for each in saved_runs(steering.folder)] == [folder]


@pytest.mark.parametrize(
    ("prompt", "further", "sentence"),
    [
        ("a red unicorn", "", "unicorn"),
        ("a red cube", "system.guidance.guidance_scale=-1", "guidance_scale"),
        ("a red cube", "system.geometry.nothing=1", "nothing"),
        ("a red cube", "exp_root_dir=/elsewhere", "the studio chooses where runs go"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_made(steering, prompt, further, sentence):
    with pytest.raises(ValueError, match=sentence):
        steering.start(_order(5, prompt, further))
    assert not steering.folder.exists() and steering.state(steering.current) is State.NONE


@pytest.mark.slow
def test_a_run_that_fails_says_why(steering):
    folder = steering.folder / "broken-run"
    # Its configuration was good when it was written, and its folder has lost what it starts from.
    request = RunRequest(find_config("tiny"), ["system.weights=gone.ckpt", *SMALL], "a red cube")
    steering._begin(["--config", request.config, *request.settings()], folder)
    _until(lambda: steering.state(folder) is not State.RUNNING, folder)
    assert steering.state(folder) is State.FAILED and "gone.ckpt" in steering.error(folder)
    with pytest.raises(ValueError, match="start it again"):
        steering.resume(folder)


def test_only_changes_are_ordered():
    offered = offer("tiny")
    same = {each.key: each.text for each in (*offered.guidance, *offered.of_prior)}
    request = ordered(offered, "a red cube", offered.method, offered.prior, offered.steps, offered.seed, same)
    plain = RunRequest(find_config("tiny"), (), "a red cube").configuration()
    made = request.configuration()
    assert made.pop("checkpoint") | {"every_n_train_steps": 20} == plain.pop("checkpoint")
    assert made == plain


def test_every_setting_that_is_offered_has_a_meaning():
    offered = offer("quickstart-sd")
    assert offered.prior == "toybox-sd" and offered.prior in prior_names()
    for each in (*offered.guidance, *offered.of_prior):
        assert each.meaning, each.key
    assert {each.key for each in method_settings("ism")} and "ism" in method_names()
    assert not any("zero123" in name for name in prior_names())  # they are told pictures


def test_a_process_is_known_by_its_beginning_not_by_its_number_alone(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "process.json").write_text('{"process": 1, "created": 12.5}')
    assert process_of(tmp_path) is None


def test_folders_that_hold_no_run_are_passed_over(tmp_path):
    (tmp_path / "notes" / "configs").mkdir(parents=True)
    (tmp_path / "notes" / "configs" / "parsed.yaml").write_text("just: words\n")
    assert saved_runs(tmp_path) == []


def test_mistakes_at_the_command_are_one_sentence(tmp_path, capsys, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    output = ["--output", str(tmp_path / "studio")]
    try:
        pytest.importorskip("viser")
        assert main(["studio", "--config", "quickstrat", *output]) == 1
        assert "quickstart" in capsys.readouterr().err
        monkeypatch.setitem(sys.modules, "viser", None)
        assert main(["studio", *output]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: the studio needs viser: pip install splatdream[viewer]")
        assert len(error.splitlines()) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "studio").exists()


def test_the_command_serves_a_page_until_ctrl_c(tmp_path, capsys):
    pytest.importorskip("viser")
    before, answers = signal.getsignal(signal.SIGINT), []

    def look_and_interrupt():
        said, deadline = "", time.monotonic() + PATIENCE_S
        try:
            while "Ctrl-C" not in said and time.monotonic() < deadline:
                time.sleep(0.05)
                said += capsys.readouterr().out
            with urllib.request.urlopen(re.search(r"http://\S+", said)[0], timeout=60) as answer:
                answers.append(answer.status)
        finally:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    visitor = threading.Thread(target=look_and_interrupt)
    visitor.start()
    try:
        assert main(["studio", "--config", "tiny", "--output", str(tmp_path / "studio")]) == 0
    finally:
        visitor.join()
        signal.signal(signal.SIGINT, before)
    assert answers == [200] and "nothing was running" in capsys.readouterr().out
    assert not (tmp_path / "studio").exists()


def test_a_port_that_is_taken_is_named(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        try:
            assert main(["studio", "--port", str(port), "--output", str(tmp_path)]) == 1
        finally:
            signal.signal(signal.SIGINT, before)
    assert f"error: port {port} is taken" in capsys.readouterr().err
