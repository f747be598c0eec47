"""A method that learns is one file and one line of registration: it trains, resumes and plays like those that ship."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exact_priors import Mixture, MixturePrior
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.registry import METHODS
from splatdream.guidance.playground import PlaygroundSettings, play
from splatdream.priors import registered  # noqa: F401 - registers
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.startup.launching import main
from toy_learner import TOY

PROMPTS = make_view_prompts("a cat")
CAMERAS = orbit_cameras([10.0] * 2, [0.0, 90.0], width=4, height=4)


@pytest.fixture(autouse=True)
def toy_is_registered(monkeypatch):
    monkeypatch.setitem(METHODS, TOY.name, TOY)


def make(**options):
    return Guidance({"prior_type": "splatdream-null-prior", "method": "toy", "method_options": options})


def train(guidance, optimizer, steps):
    """Renders that are 0.25 everywhere."""
    for number in steps:
        guidance.update_step(0, number)
        rgb = torch.full((2, 4, 4, 3), 0.25, requires_grad=True)
        out = guidance(rgb, PROMPTS, **CAMERAS.to_batch())
        optimizer.zero_grad()
        (out["loss_sds"] + out["loss_mean_color"]).backward()
        optimizer.step()
    return rgb.grad


def test_it_learns_beside_what_is_distilled():
    guidance = make(rate=0.05)
    (group,) = guidance.trainable_parameters("cpu")
    assert group["lr"] == 0.05
    train(guidance, torch.optim.Adam([group]), range(100))
    torch.testing.assert_close(guidance.learner.color.flatten(), torch.full((3,), 0.25), atol=0.02, rtol=0)


def test_a_restored_state_goes_on_bit_by_bit():
    whole, half, resumed = make(), make(), make()
    optimizers = [torch.optim.Adam(guidance.trainable_parameters("cpu")) for guidance in (whole, half, resumed)]
    expected = train(whole, optimizers[0], range(6))
    train(half, optimizers[1], range(3))
    resumed.load_state_dict(half.state_dict())
    optimizers[2].load_state_dict(optimizers[1].state_dict())
    assert torch.equal(train(resumed, optimizers[2], range(3, 6)), expected)
    assert torch.equal(whole.learner.color, resumed.learner.color)


def test_its_options_are_those_of_its_gradient_and_of_its_learner():
    assert TOY.options == {"strength": 1.0, "rate": 0.1}
    with pytest.raises(ValueError, match=r"rate is -1, but must be at least 0; leave it out for toy's 0\.1"):
        make(rate=-1)
    with pytest.raises(ValueError, match=r"rat is no option of toy; its options are strength, rate"):
        make(rat=1)


def test_the_playground_teaches_what_it_does_not_know_exactly(generator):
    prior = MixturePrior({text: Mixture(torch.rand(1, 3, 4, 4, generator=generator)) for text in PROMPTS.texts})
    (run,) = play(prior, PROMPTS, CAMERAS, ["toy"], PlaygroundSettings(num_steps=5))
    (sds,) = play(prior, PROMPTS, CAMERAS, ["sds"], PlaygroundSettings(num_steps=5))
    assert run.images.isfinite().all() and not torch.equal(run.images, sds.images)


def test_a_whole_run_keeps_what_was_learned_in_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    config = Path(__file__).parents[2] / "configs" / "tiny.yaml"
    overrides = ("system.guidance.method=toy", "system.loss.lambda_mean_color=1.0", "trainer.max_steps=3")
    quiet = ("use_timestamp=false", "trainer.enable_progress_bar=false", "system.export_after_training=false")
    paths = (f"exp_root_dir={tmp_path}", "tag=toy", "data.num_test_views=1")
    assert main(["--config", str(config), "--train", *overrides, *quiet, *paths]) == 0
    checkpoint = torch.load(tmp_path / "tiny" / "toy" / "ckpts" / "last.ckpt", weights_only=True)
    assert checkpoint["splatdream"]["guidance"]["learner"]["color"].abs().min() > 0.05


def test_a_method_for_another_kind_of_noise_is_refused(monkeypatch):
    monkeypatch.setitem(METHODS, "flow-only", replace(TOY, name="flow-only", noise_processes=("rectified flow",)))
    with pytest.raises(ValueError, match="flow-only"):
        Guidance({"prior_type": "splatdream-null-prior", "method": "flow-only"})
