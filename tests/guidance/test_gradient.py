"""What half precision breaks is replaced, counted and not measured, without waiting for the device at every step."""

from statistics import median

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.gradient import FiniteGradients, GradientScale
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.registry import METHODS
from splatdream.priors.null_prior import NullPrior
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.startup.registration import register_all
from torch.utils._python_dispatch import TorchDispatchMode
from toy_learner import TOY

PROMPTS = make_view_prompts("a cat")
CAMERAS = orbit_cameras([10.0] * 2, [0.0, 90.0], width=4, height=4)
NUMBER = 0.3


class Overflowing(NullPrior):
    """Predicts a number everywhere, and `value` in place of one of them."""

    value = NUMBER

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        predicted = torch.full_like(noisy_latents, NUMBER)
        predicted[0, 0, 0, 0] = self.value
        return predicted


@pytest.fixture
def guidance(monkeypatch):
    register_all()
    monkeypatch.setattr("splatdream.priors.registered.NullPrior", Overflowing)
    return Guidance({"prior_type": "splatdream-null-prior"})


def gradient(guidance, step, value=NUMBER):
    guidance._prior.value = value
    guidance.update_step(0, step)
    rgb = torch.full((2, 4, 4, 3), 0.5, requires_grad=True)
    out = guidance(rgb, PROMPTS, **CAMERAS.to_batch())
    out["loss_sds"].backward()
    return out, rgb.grad


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_broken_value_becomes_0_and_leaves_the_others_alone(guidance, value):
    _, whole = gradient(guidance, 0)
    out, broken = gradient(guidance, 0, value)
    assert broken[0, 0, 0, 0] == 0
    others = torch.ones_like(whole, dtype=torch.bool)
    others[0, 0, 0, 0] = False
    assert torch.equal(broken[others], whole[others])
    assert out["loss_sds"].isfinite() and out["non_finite_values"] == 1


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_step_is_not_measured(guidance, value):
    gradient(guidance, 0, value)
    assert guidance.gradient_scale.state_dict() == {"measured": []}
    gradient(guidance, 1)
    gradient(guidance, 2, value)
    measured = guidance.gradient_scale.state_dict()["measured"]
    assert len(measured) == 1 and 0 < measured[0] < 10


def test_what_breaks_on_the_way_back_to_the_image_is_caught_too(guidance):
    rgb = torch.full((2, 4, 4, 3), 0.5, requires_grad=True)
    loss = guidance(rgb, PROMPTS, **CAMERAS.to_batch())["loss_sds"]
    (loss * torch.tensor(torch.inf)).backward()
    assert rgb.grad.isfinite().all()


def test_what_breaks_while_a_learner_is_taught_is_caught_too(monkeypatch):
    register_all()
    monkeypatch.setitem(METHODS, TOY.name, TOY)
    guidance = Guidance({"prior_type": "splatdream-null-prior", "method": "toy"})
    out = guidance(torch.zeros(2, 4, 4, 3), PROMPTS, **CAMERAS.to_batch())
    (out["loss_mean_color"] * torch.tensor(torch.nan)).backward()
    assert not guidance.learner.color.grad.any()


def test_a_run_that_only_breaks_ends_with_its_step_and_count(guidance):
    with pytest.raises(RuntimeError, match=r"in any of the 20 steps before step 20 \(20 values"):
        for step in range(21):
            gradient(guidance, step, torch.nan)


def test_a_run_that_breaks_now_and_then_goes_on(guidance):
    for step in range(50):
        out, _ = gradient(guidance, step, torch.nan if step % 10 else NUMBER)
    assert out["non_finite_values"] == 45


def test_the_median_of_the_device_is_that_of_the_host(generator):
    scale, sizes = GradientScale(num_steps=6), []
    for size in torch.rand(9, generator=generator).tolist():
        gradient = torch.full((1, 4), size)
        if len(sizes) < 6:
            sizes.append(gradient.double().square().mean().sqrt().item())
        assert float(scale.update(gradient)) == 1.0 / median(sizes)
        scale.update(torch.zeros(1, 4))


class Waits(TorchDispatchMode):
    """Counts how often the host reads a number of the device."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def test_a_step_does_not_wait_for_the_device():
    finite, scale = FiniteGradients(), GradientScale(num_steps=100)
    finite.begin_step(0)
    with Waits() as waits:
        for step in range(1, 20):
            finite.begin_step(step)
            # Not on the CPU, which is the host itself.
            scale.update(finite(torch.ones(2, 3, device="meta")), ~finite.in_step)
    assert waits.count == 0
