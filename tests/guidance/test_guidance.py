"""The registered guidance, with a prior that knows one mixture for each text."""

from dataclasses import dataclass

import pytest
import torch
from exact_priors import Mixture, MixturePrior
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.registry import METHODS
from splatdream.guidance.presets import MVDreamGuidance, StableDiffusionGuidance
from splatdream.host import BaseObject, find, register
from splatdream.prompts.view_prompts import make_view_prompts

PROMPTS = make_view_prompts("a cat", negative_prompt="ugly")


class CountingPrior(MixturePrior):
    """Counts what it denoises."""

    evaluations = 0

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        self.evaluations += len(noisy_latents)
        return super().predict_noise(noisy_latents, timesteps, condition, views)


@register("test-mixture-prior")
class RegisteredMixturePrior(BaseObject):
    @dataclass
    class Config(BaseObject.Config):
        views_per_group: int = 1
        """Views of one prediction."""
        pure: str = ""
        """Whatever the text, what this one means is predicted."""

    def configure(self):
        generator = torch.Generator().manual_seed(7)
        self.prior = CountingPrior(
            {text: Mixture(torch.rand(3, 3, 4, 4, generator=generator), width=0.1) for text in PROMPTS.texts}
        )
        if self.cfg.pure:
            self.prior.mixtures = dict.fromkeys(PROMPTS.texts, self.prior.mixtures[self.cfg.pure])
        self.prior.views_per_group = self.cfg.views_per_group

    def __call__(self):
        return self.prior


def make(guidance_class=Guidance, **cfg):
    return guidance_class({"prior_type": "test-mixture-prior", "gradient_scale_steps": 0, **cfg})


def call(guidance, step=0, azimuths=(0.0, 100.0, 200.0, 300.0), level=0.5):
    guidance.update_step(0, step)
    rgb = torch.full((len(azimuths), 4, 4, 3), level, requires_grad=True)
    batch = orbit_cameras([10.0] * len(azimuths), list(azimuths), width=4, height=4).to_batch()
    return guidance(rgb, PROMPTS, **batch), rgb


def gradient(guidance, **kwargs):
    out, rgb = call(guidance, **kwargs)
    out["loss_sds"].backward()
    return rgb.grad * rgb.numel()


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("vsd", "esd")])
def test_every_method_runs_behind_one_interface_and_its_cost_is_what_the_prior_counts(method):
    guidance = make(method=method, guidance_scale=7.5)
    out, _ = call(guidance, step=3)
    assert torch.isfinite(out["loss_sds"])
    assert out["denoiser_evaluations"] == guidance._prior.evaluations > 0


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("vsd", "esd")])
def test_a_step_depends_on_its_number_and_the_seed_alone(method):
    first = make(method=method, guidance_scale=7.5)
    call(first, step=0)
    torch.manual_seed(5)
    again = make(method=method, guidance_scale=7.5)
    assert torch.equal(gradient(first, step=9), gradient(again, step=9))
    assert not torch.equal(gradient(first, step=9), gradient(first, step=10))


def test_options_may_be_schedules_and_unknown_ones_are_refused():
    guidance = make(method="csd", method_options={"negative_weight": [0, 1.0, 0.5, 100]})
    assert call(guidance, step=0)[0]["denoiser_evaluations"] == 4 * 2
    assert call(guidance, step=50)[0]["denoiser_evaluations"] == 4 * 3
    with pytest.raises(ValueError, match=r"method_options.negativ_weight is no option of csd"):
        make(method="csd", method_options={"negativ_weight": 1.0})


def test_perp_neg_costs_more_and_changes_the_gradient_of_every_view_but_pure_ones():
    plain, pushed = make(guidance_scale=7.5), make(guidance_scale=7.5, perp_neg=1.0)
    assert call(pushed)[0]["denoiser_evaluations"] == 4 * 4
    assert not torch.allclose(gradient(plain), gradient(pushed))


def test_between_two_directions_interpolated_views_mix_their_predictions():
    batch = {"azimuths": (45.0, 135.0), "step": 3}
    mixed, plain = make(interpolated_views=True), make()
    front, side, back = (
        gradient(make(prior={"pure": text}), **batch)
        for text in ("a cat, front view", "a cat, side view", "a cat, back view")
    )
    expected = torch.stack([(front[0] + side[0]) / 2, (side[1] + back[1]) / 2])
    torch.testing.assert_close(gradient(mixed, **batch), expected)
    assert not torch.allclose(gradient(plain, **batch), expected)


def test_a_flipped_step_looks_at_mirrored_views():
    guidance = make(flip_probability=0.5)
    guidance._prior.encode_images = lambda rgb: seen.append(rgb.detach()) or rgb.movedim(-1, 1)
    seen, rgb = [], torch.rand(1, 4, 4, 3)
    batch = orbit_cameras([10.0], [0.0], width=4, height=4).to_batch()
    for step in range(40):
        guidance.update_step(0, step)
        guidance(rgb, PROMPTS, **batch)
    flipped = [torch.equal(image, rgb.flip(2)) for image in seen]
    assert all(is_flipped or torch.equal(image, rgb) for image, is_flipped in zip(seen, flipped, strict=True))
    assert 10 <= sum(flipped) <= 30


def test_the_gradient_clip_rises_as_d_sds_prescribes():
    guidance = make(guidance_scale=500.0, gradient_clip=[0, 0.5, 2.0, 100])
    assert gradient(guidance, step=0).abs().max() == pytest.approx(0.5)
    assert gradient(guidance, step=100).abs().max() == pytest.approx(2.0)


def test_annealed_timesteps_fall_during_the_run_and_are_shared():
    guidance = make(timestep_sampling="sqrt", annealing_steps=100, min_step_fraction=0.3, max_step_fraction=0.98)
    seen = []
    guidance._prior.predict_noise = lambda noisy, timesteps, *_: seen.append(timesteps.tolist()) or noisy
    call(guidance, step=25)
    assert seen == [[640] * 4]
    with pytest.raises(ValueError, match=r"set guidance.annealing_steps"):
        make(timestep_sampling="sqrt")


def test_groups_of_views_share_noise_levels_in_every_method():
    for method in ("x0_reconstruction", "ism", "sdi", "nfsd"):
        guidance = make(method=method, guidance_scale=7.5, prior={"views_per_group": 2})
        assert torch.isfinite(call(guidance)[0]["loss_sds"])


def test_methods_that_learn_need_a_network():
    with pytest.raises(ValueError, match="CountingPrior has none; choose a network prior"):
        make(method="vsd")


def test_methods_that_do_not_learn_have_nothing_to_train():
    guidance = make()
    assert guidance.trainable_parameters() == [] and guidance.learner is None
    assert "loss_lora" not in call(guidance)[0]


def test_the_gradient_scale_survives_in_the_state():
    guidance = make(gradient_scale_steps=2)
    for step in range(3):
        call(guidance, step=step)
    restored = make(gradient_scale_steps=2)
    restored.load_state_dict(guidance.state_dict())
    assert call(restored, step=3)[0]["gradient_scale"] == call(guidance, step=3)[0]["gradient_scale"]


def test_presets_carry_published_settings():
    stable_diffusion = make(StableDiffusionGuidance).cfg
    assert (stable_diffusion.method, stable_diffusion.guidance_scale) == ("sds", 101.0)
    mvdream = make(MVDreamGuidance)
    assert (mvdream.cfg.method, mvdream.cfg.guidance_scale, mvdream.cfg.weighting) == (
        "x0_reconstruction",
        50.0,
        "uniform",
    )
    out, _ = call(mvdream, step=4000)
    assert (out["min_step"], out["max_step"]) == (500, 740)
    assert find("splatdream-mvdream-guidance") is MVDreamGuidance
    assert find("splatdream-stable-diffusion-guidance").Config.prior_type == "splatdream-stable-diffusion-prior"
