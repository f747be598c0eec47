"""The window of a run: nothing is shown to nobody, what is shown is read back, and being watched changes no bit."""

import os
import time

import pytest
import torch
from splatdream.commands.main import main
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.spherical_harmonics import rgb_to_sh0
from splatdream.gaussians.splat_arrays import splat_arrays
from splatdream.viewer import run_window
from splatdream.viewer.run_window import WINDOW, Asked, RunWindow, Shown, answered_ns, ask, read_shown

FEW = ["data.num_test_views=1", "trainer.limit_val_batches=0", "system.exporter.formats=[ply]", "trainer.max_steps=12"]


def _cloud(generator, shN: torch.Tensor) -> GaussianCloud:
    count = len(shN)
    return GaussianCloud(
        means=torch.randn(count, 3, generator=generator),
        log_scales=torch.full((count, 3), -2.0),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(count, 1),
        opacity_logits=torch.zeros(count),
        sh0=rgb_to_sh0(torch.full((count, 3), 0.5))[:, None],
        shN=shN,
    )


def _shown(generator) -> Shown:
    cloud = _cloud(generator, torch.zeros(4, 3, 3))
    pictures = {"render": torch.rand(2, 5, 7, 3, generator=generator)}
    return Shown(7, cloud, torch.eye(4).repeat(2, 1, 1), torch.tensor([0.5, 0.6]), 1.4, pictures)


def test_what_is_shown_is_read_back(tmp_path, generator):
    assert read_shown(tmp_path) is None and answered_ns(tmp_path) == 0
    shown, window = _shown(generator), RunWindow(tmp_path)
    window.show(shown)
    again = read_shown(tmp_path)
    assert (again.step, again.aspect, answered_ns(tmp_path) > 0) == (7, 1.4, True)
    for name, tensor in shown.cloud.tensors().items():
        assert torch.equal(again.cloud.tensors()[name], tensor), name
    assert torch.equal(again.pictures["render"], shown.pictures["render"])
    window.close()
    assert read_shown(tmp_path) is None


def test_only_who_asked_lately_is_answered_and_as_often_as_asked(tmp_path, generator, monkeypatch):
    monkeypatch.setattr(run_window, "_LOOK_EVERY_S", 0.0)
    window = RunWindow(tmp_path)
    assert window.asked() is None
    ask(tmp_path, Asked(every_s=3600.0, pictures=True))
    assert window.asked() == Asked(3600.0, True)
    window.show(_shown(generator))
    assert window.asked() is None  # an hour has not passed
    ask(tmp_path, Asked(every_s=0.0))
    assert window.asked() == Asked(0.0, False)
    gone = time.time() - 60
    os.utime(tmp_path / WINDOW / "asked.json", (gone, gone))
    assert window.asked() is None
    ask(tmp_path, Asked(every_s=0.0))
    (tmp_path / WINDOW / "asked.json").write_text('{"of another": "version"}')
    assert window.asked() is None


def test_colors_follow_the_eye_by_the_first_harmonics(generator):
    # The second coefficient of degree 1 is along z: sqrt(3 / 4 pi) z.
    shN = torch.zeros(1, 3, 3)
    shN[:, 1] = 0.5
    cloud = _cloud(generator, shN)
    above, below = cloud.means[0] + torch.tensor([0.0, 0.0, 2.0]), cloud.means[0] - torch.tensor([0.0, 0.0, 2.0])
    change = 0.5 * (3 / (4 * torch.pi)) ** 0.5
    assert splat_arrays(cloud, above)["rgbs"] == pytest.approx(0.5 - change, abs=1e-5)
    assert splat_arrays(cloud, below)["rgbs"] == pytest.approx(0.5 + change, abs=1e-5)
    assert splat_arrays(cloud)["rgbs"] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.slow
def test_a_run_that_is_watched_makes_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(run_window, "_LOOK_EVERY_S", 0.0)
    states = {}
    for name in ("alone", "watched"):
        folder = tmp_path / "runs" / name
        if name == "watched":
            monkeypatch.setattr(run_window, "_VALID_S", 1e6)
            ask(folder, Asked(every_s=0.0, pictures=True))
        place = [f"exp_root_dir={tmp_path}", "name=runs", f"tag={name}", "use_timestamp=false"]
        assert main(["train", "--config", "tiny", "--gpu", "cpu", "-q", *FEW, *place]) == 0
        states[name] = torch.load(folder / "ckpts" / "last.ckpt", weights_only=True)
    alone, watched = (states[name]["state_dict"] for name in ("alone", "watched"))
    assert alone.keys() == watched.keys()
    for name, tensor in alone.items():
        assert torch.equal(tensor, watched[name]), name
    counted = [states[name]["splatdream"]["denoiser_evaluations"] for name in ("alone", "watched")]
    assert counted[0] == counted[1]
    stages = [set(states[name]["splatdream"]["seconds_by_stage"]) for name in ("alone", "watched")]
    assert stages[1] - stages[0] == {"watched"}
