"""Modifiers combine with every method, and whatever is combined, what is counted is what the prior was asked for."""

import re
from pathlib import Path

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.registry import METHODS
from splatdream.priors.null_prior import NullPrior
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.startup.launching import main

pytest.importorskip("peft")

MODIFIERS = {
    "perp_neg": {"perp_neg": 1.0},
    "clip": {"gradient_clip": [0, 0.5, 2.0, 10]},
    "rescale": {"guidance_rescale": 0.7},
    "linear": {"timestep_sampling": "linear", "annealing_steps": 10},
    "sqrt": {"timestep_sampling": "sqrt", "annealing_steps": 10},
    "dreamtime": {"timestep_sampling": "dreamtime", "annealing_steps": 10},
}
EVERYTHING = {key: value for settings in MODIFIERS.values() for key, value in settings.items()}


class CountingPrior(NullPrior):
    """Predicts a share of what it is given and counts it."""

    asked = 0

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        assert len(noisy_latents) == len(timesteps) == len(condition) == len(views)
        self.asked += len(noisy_latents)
        return (0.5 + 0.1 * torch.arange(len(noisy_latents)).view(-1, 1, 1, 1)) * noisy_latents


@pytest.mark.parametrize("negative_prompt", ["", "ugly"])
@pytest.mark.parametrize("settings", [*MODIFIERS.values(), EVERYTHING], ids=[*MODIFIERS, "everything"])
@pytest.mark.parametrize("method", METHODS)
def test_every_modifier_combines_with_every_method(method, settings, negative_prompt, monkeypatch):
    if METHODS[method].without_rescale:
        settings = {key: value for key, value in settings.items() if key != "guidance_rescale"}
    monkeypatch.setattr("splatdream.priors.registered.NullPrior", CountingPrior)
    guidance = Guidance({"prior_type": "splatdream-null-prior", "method": method, "guidance_scale": 7.5} | settings)
    cameras = orbit_cameras([10.0] * 4, [0.0, 100.0, 200.0, 300.0], width=4, height=4)
    for step in (0, 7):
        guidance._prior.asked = 0
        guidance.update_step(0, step)
        rgb = torch.full((4, 4, 4, 3), 0.5, requires_grad=True)
        prompts = make_view_prompts("a cat", negative_prompt)
        out = guidance(rgb, prompts, **cameras.to_batch())
        out["loss_sds"].backward()
        assert torch.isfinite(rgb.grad).all() and rgb.grad.any()
        # A training step of the learned score looks at a view once and counts as two, for its backward pass.
        learning = 4 if "loss_lora" in out else 0
        assert out["denoiser_evaluations"] == guidance._prior.asked + learning


def test_the_bar_of_a_run_shows_what_it_has_asked_of_the_denoiser(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    config = Path(__file__).parents[2] / "configs" / "tiny.yaml"
    command = ["--config", str(config), "--train", f"exp_root_dir={tmp_path}", "trainer.max_steps=3"]
    assert main([*command, "system.export_after_training=false", "data.num_test_views=1"]) == 0
    # Two views a step, without guidance one evaluation each.
    assert re.search(r"3/3 .*evaluations=6", capfd.readouterr().err)
