"""Score distillation against denoisers whose answer is known in closed form."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.classifier_free import guide
from splatdream.guidance.denoiser import Denoiser, Text
from splatdream.guidance.gradient import GradientScale, distillation_loss
from splatdream.guidance.methods.registry import guidance_method
from splatdream.guidance.methods.sds import sds_gradient
from splatdream.guidance.timesteps import sample_timesteps, timestep_range
from splatdream.guidance.weighting import WEIGHTINGS, timestep_weights
from splatdream.priors.base import Condition, DiffusionPrior, Views
from splatdream.priors.noise_process import VariancePreserving


class OneImage(Condition):
    """Row i knows image i."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        return OneImage(self.images[rows])


class OneImagePrior(DiffusionPrior):
    """The exact denoiser of a distribution with a single image a text: x_0 is always that image."""

    def __init__(self, images):
        self.schedule = VariancePreserving.scaled_linear()
        self.images = images

    def encode_texts(self, texts):
        return OneImage(self.images[: len(texts)])

    def encode_images(self, rgb):
        return rgb.movedim(-1, 1)

    def decode_latents(self, latents):
        return latents.movedim(1, -1)

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        assert len(noisy_latents) == len(timesteps) == len(condition) == len(views)
        return self.schedule.noise_from_clean(noisy_latents, condition.images, timesteps)


def make_denoiser(images, guidance_scale, num_views):
    prior = OneImagePrior(images)
    views = Views(orbit_cameras([0.0] * num_views, [0.0] * num_views), torch.ones(num_views, 3))
    positive, negative = torch.zeros(num_views, dtype=torch.long), torch.ones(num_views, dtype=torch.long)
    return Denoiser(prior, prior.encode_texts(["a", ""]), positive, negative, views, guidance_scale)


def test_sds_gradient_pulls_toward_the_one_image_the_denoiser_knows(generator):
    # A denoiser that knows only x* predicts eps_hat = (z_t - a x*) / s, hence eps_hat - eps = (a / s) (x - x*).
    images = torch.randn(2, 3, 4, 4, generator=generator)
    latents = torch.randn(2, 3, 4, 4, generator=generator)
    timesteps = torch.tensor([100, 700])
    noise = torch.randn(latents.shape, generator=generator)
    denoiser = make_denoiser(images, guidance_scale=1.0, num_views=2)
    gradient = sds_gradient(denoiser, latents, timesteps, noise)
    signal, sigma = denoiser.schedule.signal_and_noise_scales(timesteps, latents)
    torch.testing.assert_close(gradient, signal / sigma * (latents - images[0]), atol=1e-4, rtol=1e-4)


def test_sds_under_guidance_pulls_toward_the_extrapolated_image(generator):
    # Guidance is linear in the prediction, so it is linear in the known image: x_u + s (x_c - x_u).
    images = torch.randn(2, 3, 4, 4, generator=generator)
    latents = torch.randn(1, 3, 4, 4, generator=generator)
    timesteps, noise = torch.tensor([400]), torch.randn(latents.shape, generator=generator)
    denoiser = make_denoiser(images, guidance_scale=7.5, num_views=1)
    gradient = sds_gradient(denoiser, latents, timesteps, noise)
    extrapolated = images[1] + 7.5 * (images[0] - images[1])
    signal, sigma = denoiser.schedule.signal_and_noise_scales(timesteps, latents)
    torch.testing.assert_close(gradient, signal / sigma * (latents - extrapolated), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("guidance_scale", "evaluations"), [(1.0, 3), (7.5, 6)])
def test_guidance_costs_two_evaluations_a_view_and_no_guidance_one(generator, guidance_scale, evaluations):
    denoiser = make_denoiser(torch.zeros(2, 3, 4, 4), guidance_scale, num_views=3)
    latents = torch.randn(3, 3, 4, 4, generator=generator)
    denoiser.guided(latents, torch.tensor([10, 20, 30]))
    assert denoiser.counter.count == evaluations


def test_both_predictions_of_one_call_equal_the_separate_ones(generator):
    denoiser = make_denoiser(torch.randn(2, 3, 4, 4, generator=generator), 7.5, num_views=3)
    latents, timesteps = torch.randn(3, 3, 4, 4, generator=generator), torch.tensor([10, 20, 30])
    unconditional, conditional = denoiser.both(latents, timesteps)
    torch.testing.assert_close(unconditional, denoiser.predict(latents, timesteps, Text.UNCONDITIONAL)[0])
    torch.testing.assert_close(conditional, denoiser.conditional(latents, timesteps))


def test_guidance_scale_one_is_the_conditional_prediction_and_zero_the_unconditional():
    unconditional, conditional = torch.tensor([1.0]), torch.tensor([3.0])
    assert guide(unconditional, conditional, 1.0) == conditional
    assert guide(unconditional, conditional, 0.0) == unconditional
    assert guide(unconditional, conditional, 2.0) == 5.0


def test_the_loss_has_the_given_gradient_whatever_the_latents(generator):
    latents = torch.randn(2, 3, 4, 4, generator=generator, requires_grad=True)
    gradient = torch.randn(latents.shape, generator=generator)
    distillation_loss(latents, gradient).backward()
    torch.testing.assert_close(latents.grad * latents.numel(), gradient)


def test_known_values_of_the_weightings():
    schedule = VariancePreserving(torch.tensor([0.64]))
    expected = {"sigma_squared": 0.36, "uniform": 1.0, "fantasia3d": 0.8 * 0.36, "noise_to_signal": 0.75}
    assert expected.keys() == WEIGHTINGS.keys()
    for name, value in expected.items():
        weights = timestep_weights(name, schedule, torch.tensor([0]), torch.zeros(1, 3, 2, 2))
        torch.testing.assert_close(weights, torch.full((1, 1, 1, 1), value))


def test_unknown_weightings_and_methods_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="'sigma' is unknown; choose one of sigma_squared"):
        timestep_weights("sigma", VariancePreserving.scaled_linear(), torch.tensor([0]), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"'sdss' is unknown; choose one of .*sds"):
        guidance_method("sdss")


def test_timestep_ranges_are_inclusive_and_the_last_one_exists():
    assert timestep_range(0.02, 0.98, 1000) == (20, 980)
    assert timestep_range(0.0, 1.0, 1000) == (0, 999)
    with pytest.raises(ValueError, match="0 <= min <= max <= 1"):
        timestep_range(0.9, 0.1, 1000)


def test_sampled_timesteps_cover_the_range_and_groups_share_theirs(generator):
    timesteps = sample_timesteps(20, 22, 4000, 4, generator)
    assert set(timesteps.tolist()) == {20, 21, 22}
    groups = timesteps.reshape(-1, 4)
    assert (groups == groups[:, :1]).all()
    with pytest.raises(ValueError, match="6 views do not divide into groups of 4"):
        sample_timesteps(20, 980, 6, 4, generator)


def test_the_gradient_scale_freezes_at_the_median_and_survives_a_checkpoint():
    scale = GradientScale(num_steps=3)
    for size in (1.0, 100.0, 2.0):
        scale.update(torch.full((1, 4), size))
    restored = GradientScale(num_steps=3)
    restored.load_state_dict(scale.state_dict())
    # The median of 1, 100, 2 is 2; what comes later changes nothing.
    assert restored.is_frozen
    assert restored.update(torch.full((1, 4), 1e6)) == pytest.approx(0.5)


def test_scaled_gradients_do_not_depend_on_the_units_of_the_method(generator):
    gradients = [torch.randn(2, 8, generator=generator) for _ in range(5)]
    small, large = GradientScale(num_steps=4), GradientScale(num_steps=4)
    for gradient in gradients:
        torch.testing.assert_close(small.update(gradient) * gradient, large.update(1e4 * gradient) * 1e4 * gradient)
