"""A run whose guidance learns: its score is optimized beside the Gaussians, kept in checkpoints, and begun anew."""

from pathlib import Path

import pytest
import torch
import yaml
from splatdream.priors import registered_networks  # noqa: F401 - registers
from splatdream.startup.launching import main

pytest.importorskip("diffusers")
pytest.importorskip("peft")

import tiny_models

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A YAML of four steps of ESD on a tiny pipeline with Stable Diffusion's architecture."""
    folder = tmp_path_factory.mktemp("esd")
    model = tiny_models.make_tiny_stable_diffusion(folder / "model")
    settings = yaml.safe_load(TINY.read_text())
    settings["exp_root_dir"] = str(folder)
    settings["system"]["export_after_training"] = False
    settings["system"]["loss"]["lambda_lora"] = 1.0
    settings["system"]["guidance"].update(
        method="esd",
        guidance_scale=7.5,
        prior_type="splatdream-stable-diffusion-prior",
        prior={"model": str(model), "cache_texts": False},
    )
    path = folder / "esd.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def train(config, tag, *overrides):
    """The last checkpoint of a run."""
    quiet = ("use_timestamp=false", "trainer.enable_progress_bar=false", "trainer.val_check_interval=1000")
    assert main(["--config", str(config), "--train", f"tag={tag}", *quiet, *overrides]) == 0
    return config.parent / "tiny" / tag / "ckpts" / "last.ckpt"


def load(path):
    return torch.load(path, weights_only=True)


def test_a_resumed_run_continues_its_learned_score_bit_by_bit(config):
    whole = load(train(config, "whole", "trainer.max_steps=4"))
    half = train(config, "half", "trainer.max_steps=2")
    first = load(half)
    resumed = load(train(config, "half", "trainer.max_steps=4", f"resume={half}"))
    learned = [checkpoint["splatdream"]["guidance"]["learner"] for checkpoint in (whole, resumed, first)]
    assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])
    assert not all(torch.equal(learned[0][name], learned[2][name]) for name in learned[0])
    assert torch.equal(whole["state_dict"]["geometry.means"], resumed["state_dict"]["geometry.means"])
    # 4 steps of 2 views: 2 for guidance, 2 of the learned score, 2 for a step of learning it.
    assert whole["splatdream"]["denoiser_evaluations"] == 4 * 2 * 6
