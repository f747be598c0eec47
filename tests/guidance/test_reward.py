"""Draws of the noise chosen by a reward: which are followed, where they end, and what that costs."""

from pathlib import Path

import pytest
import torch
from exact_priors import Mixture, MixturePrior, make_denoiser
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.sds import SDS
from splatdream.guidance.playground import PlaygroundSettings, play
from splatdream.guidance.reward import RewardedDraws, denoise_fully
from splatdream.guidance.step import GuidedStep, StepSettings
from splatdream.host import BaseObject, register
from splatdream.priors import registered  # noqa: F401 - registers
from splatdream.priors.base import Views
from splatdream.priors.null_prior import NullPrior
from splatdream.prompts.view_prompts import make_view_prompts

PROMPTS = make_view_prompts("a cat", is_view_dependent=False)
CAMERAS = orbit_cameras([0.0, 0.0], [0.0, 90.0], width=4, height=4)


@register("test-redness")
class Redness(BaseObject):
    """As somebody would add a reward: a registered class that is called with images and texts."""

    def __call__(self, images, texts):
        assert texts == ["a cat"] * len(images)
        return images[..., 0].mean(dim=(1, 2)) - images[..., 2].mean(dim=(1, 2))


def two_cats(generator):
    """A red one and a blue one, equally likely."""
    cats = torch.full((2, 3, 4, 4), 0.1)
    cats[0, 0] = cats[1, 2] = 0.9
    return MixturePrior({text: Mixture(cats, width=0.05) for text in PROMPTS.texts})


def make_step(prior, fraction=0.9):
    condition, views = prior.encode_texts(PROMPTS.texts), Views(CAMERAS, torch.ones(2, 3))
    settings = StepSettings(min_step_fraction=fraction, max_step_fraction=fraction)
    return GuidedStep(prior, PROMPTS, condition, views, torch.full((2, 3, 4, 4), 0.5), 0, settings)


def sds(step):
    return SDS.weighted_gradient(step, {}, {})


def draws(strategy, num_draws=6):
    return RewardedDraws(Redness({}), num_draws, strategy, guidance_scale=1.0)


@pytest.fixture
def known(generator):
    """A step, the SDS gradients of six draws, and the reward of where each ends; [6, B]."""
    step = make_step(two_cats(generator))
    noises, timesteps = [step.noise(draw) for draw in range(6)], step.timesteps()
    noisy = [step.prior.schedule.add_noise(step.latents, noise, timesteps) for noise in noises]
    ends = [denoise_fully(step.denoiser(), each, timesteps, 15, 1.0).movedim(1, -1) for each in noisy]
    rewards = torch.stack([Redness({})(end.clamp(0, 1), ["a cat"] * 2) for end in ends])
    return step, torch.stack([sds(step.with_noise(noise)) for noise in noises]), rewards


def test_the_draws_of_a_step_differ_and_repeat(generator):
    step = make_step(two_cats(generator))
    assert not torch.equal(step.noise(0), step.noise(1))
    assert torch.equal(step.noise(1), step.noise(1)) and torch.equal(step.noise(0), step.noise())


def test_the_best_draw_of_each_view_is_followed_and_leads_to_what_is_rewarded(known):
    step, gradients, rewards = known
    gradient = draws("best").gradient(step, sds)
    torch.testing.assert_close(gradient, gradients[rewards.argmax(dim=0), torch.arange(2)])
    # Descending it makes the images redder, if any draw of the view ends in the red cat.
    assert (rewards.max(dim=0).values > 0).all()
    assert (gradient[:, 0].mean(dim=(1, 2)) < gradient[:, 2].mean(dim=(1, 2))).all()


def test_softmax_and_min_max_weigh_the_draws_as_published(known):
    step, gradients, rewards = known
    weights = rewards.softmax(dim=0)[:, :, None, None, None]
    torch.testing.assert_close(draws("softmax").gradient(step, sds), (weights * gradients).sum(0))
    for view in range(2):
        ordered = gradients[rewards[:, view].argsort(descending=True), view]
        expected = 0.9 * ordered[:2].mean(0) - 0.1 * ordered[-2:].mean(0)
        torch.testing.assert_close(draws("min_max").gradient(step, sds)[view], expected)


def test_a_reward_that_does_not_care_averages_the_draws(generator, known):
    step, gradients, _ = known
    indifferent = RewardedDraws(lambda images, texts: torch.zeros(len(images)), 6, "softmax", guidance_scale=1.0)
    torch.testing.assert_close(indifferent.gradient(step, sds), gradients.mean(0))


def test_denoising_ends_in_the_known_image_from_any_timestep(generator):
    image = Mixture(torch.randn(1, 3, 2, 2, generator=generator, dtype=torch.float64))
    denoiser = make_denoiser(image, image, 1.0, num_views=3)
    timesteps = torch.tensor([10, 500, 999])
    noisy = torch.randn(3, 3, 2, 2, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(denoise_fully(denoiser, noisy, timesteps, 15, 1.0), image.means.expand(3, 3, 2, 2))
    # 67 timesteps a step: 1, 8 and 15 of them.
    assert denoiser.counter.count == 1 + 8 + 15


def test_denoising_follows_the_known_path_of_a_gaussian(generator):
    known = Mixture(torch.randn(1, 3, 2, 2, generator=generator, dtype=torch.float64), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=1)
    timesteps, noisy = torch.tensor([700]), torch.randn(1, 3, 2, 2, generator=generator, dtype=torch.float64)
    signal, sigma = denoiser.schedule.signal_and_noise_scales(timesteps, noisy)
    xi = (noisy - signal * known.means) / (sigma**2 + (0.5 * signal) ** 2).sqrt()
    expected = known.means + 0.5 * xi
    errors = [(denoise_fully(denoiser, noisy, timesteps, steps, 1.0) - expected).abs().max() for steps in (50, 500)]
    assert errors[1] < 0.02 and errors[1] < 0.3 * errors[0]


def test_the_views_of_a_group_are_chosen_together(known):
    step, gradients, rewards = known
    step.prior.views_per_group = 2
    best = rewards.mean(dim=1).argmax()
    torch.testing.assert_close(draws("best").gradient(step, sds), gradients[best])


def test_images_become_what_is_rewarded(generator):
    settings = PlaygroundSettings(num_steps=40, learning_rate=0.05, min_step_fraction=0.8)
    (rewarded,) = play(two_cats(generator), PROMPTS, CAMERAS, ["sds"], settings, rewarded=draws("best"))
    colors = rewarded.images.mean(dim=(1, 2))
    # Both began gray, as near to the one cat as to the other.
    assert (colors[:, 0] - colors[:, 2] > 0.15).all()


class CountingPrior(NullPrior):
    asked = 0

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        self.asked += len(noisy_latents)
        return 0.5 * noisy_latents


@pytest.mark.parametrize("method", ["sds", "csd", "ism", "sdi", "asd"])
def test_whatever_the_method_all_evaluations_are_counted(method, monkeypatch):
    monkeypatch.setattr("splatdream.priors.registered.NullPrior", CountingPrior)
    settings = {"method": method, "guidance_scale": 7.5, "reward_type": "test-redness"}
    fixed = {"min_step_fraction": 0.5, "max_step_fraction": 0.5}

    def count(**draws):
        guidance = Guidance({"prior_type": "splatdream-null-prior", **settings, **fixed, **draws})
        rgb = torch.full((2, 4, 4, 3), 0.5, requires_grad=True)
        out = guidance(rgb, PROMPTS, **CAMERAS.to_batch())
        out["loss_sds"].backward()
        assert rgb.grad.isfinite().all()
        assert out["denoiser_evaluations"] == guidance._prior.asked
        return out["denoiser_evaluations"]

    alone, best, two_best_and_worst = count(reward_draws=1), count(reward_strategy="best"), count()
    # Seven paths down of eight guided predictions a view; then the method, for the draws that are used.
    assert best == alone + 7 * 2 * 2 * 8
    assert two_best_and_worst == 4 * alone + 7 * 2 * 2 * 8


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"reward_type": "test-redness", "reward_draws": 3},
            r"reward_draws is 3, but min_max needs 4 .*strategy: best",
        ),
        ({"reward_type": "test-redness", "reward_strategy": "worst"}, r"reward_strategy 'worst' is unknown"),
        ({"reward_type": "test-redness", "reward_draws": 0}, r"reward_draws is 0, but must be at least 1"),
        ({"reward": {"model": "clip"}}, r"guidance\.reward has no effect without .* set guidance\.reward_type"),
    ],
)
def test_choices_that_no_run_could_make_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        Guidance({"prior_type": "splatdream-null-prior"} | config)


def test_a_reward_of_another_shape_is_refused(generator):
    step = make_step(two_cats(generator))
    with pytest.raises(ValueError, match=r"shape \(\) for 2 images; a reward is one number an image"):
        RewardedDraws(lambda images, texts: images.mean(), 2, "best", guidance_scale=1.0).gradient(step, sds)


def test_the_reward_of_the_documentation_chooses_by_a_model_from_a_folder(tmp_path, generator):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**small, image_size=16, patch_size=8))
    model.eval().save_pretrained(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    exec(page.split("## Adding a reward")[1].split("```python")[1].split("```")[0], {"__name__": "my_reward"})
    settings = {"reward_type": "my-reward", "reward": {"model": str(tmp_path), "class_id": 1}}
    guidance = Guidance({"prior_type": "splatdream-null-prior", **settings})
    images = torch.rand(3, 16, 16, 3, generator=generator)
    with torch.no_grad():
        expected = model(2 * images.movedim(-1, 1) - 1).logits[:, 1]
    torch.testing.assert_close(guidance._reward(images, ["a cat"] * 3), expected)
    out = guidance(torch.full((2, 4, 4, 3), 0.5, requires_grad=True), PROMPTS, **CAMERAS.to_batch())
    assert out["loss_sds"].isfinite()


def test_clip_rewards_what_evaluation_scores(tmp_path, generator):
    pytest.importorskip("transformers")
    import tiny_models
    from splatdream.guidance.clip_reward import ClipReward
    from splatdream.priors.clip_alignment import alignment

    folder = str(tiny_models.make_tiny_clip(tmp_path / "clip"))
    images = torch.rand(3, 32, 32, 3, generator=generator)
    rewards = ClipReward({"model": folder})(images, ["a cat"] * 3)
    assert float(rewards.mean()) == pytest.approx(alignment(folder, "a cat", images, others=[])["clip_score"], abs=1e-4)
    with pytest.raises(ValueError, match=r"reward\.model is empty"):
        ClipReward({})
