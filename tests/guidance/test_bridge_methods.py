"""ASD and SDS-Bridge against denoisers whose answer is known in closed form, and against the methods they border on."""

import pytest
import torch
from exact_priors import Mixture, make_denoiser
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.asd import asd_gradient
from splatdream.guidance.methods.csd import csd_gradient
from splatdream.guidance.methods.sds import sds_gradient
from splatdream.guidance.methods.sds_bridge import sds_bridge_gradient
from splatdream.priors import registered  # noqa: F401 - registers
from splatdream.prompts.processor import PromptProcessor
from splatdream.prompts.view_prompts import make_view_prompts

SHAPE = (3, 2, 2)
TIMESTEPS = torch.tensor([150, 700])


def draw(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def image(generator):
    return Mixture(draw(generator, 1, *SHAPE))


@pytest.fixture
def latents(generator):
    return draw(generator, 2, *SHAPE)


@pytest.fixture
def noise(generator):
    return draw(generator, 2, *SHAPE)


def ratio(denoiser, timesteps, like):
    signal, sigma = denoiser.schedule.signal_and_noise_scales(timesteps, like)
    return signal / sigma


def asd(denoiser, latents, noise, **options):
    options = {"first_timestep": 20, "generator": torch.Generator().manual_seed(5)} | options
    return asd_gradient(denoiser, latents, TIMESTEPS, noise, **options)


def test_asd_without_a_shift_is_csd_times_the_scale_minus_one(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2)
    gradient = asd(denoiser, latents, noise, shift_ratio=0.0)
    torch.testing.assert_close(gradient, 6.5 * csd_gradient(denoiser, latents, TIMESTEPS, noise))


def test_asd_pulls_to_a_known_image_by_the_change_of_its_ratio_of_signal_to_noise(generator, latents, noise):
    # e(y) = eps + (a / s)(x - x*) at both timesteps, and eps is shared.
    text = image(generator)
    denoiser = make_denoiser(text, text, 1.0, num_views=2)
    gradient = asd(denoiser, latents, noise, shift_ratio=0.5, is_shift_random=False)
    later = torch.tensor([150 + 65, 999])  # 700 + 340 is beyond the schedule
    expected = (ratio(denoiser, TIMESTEPS, latents) - ratio(denoiser, later, latents)) * (latents - text.means)
    torch.testing.assert_close(gradient, expected)


def test_asd_of_a_gaussian_is_less_noisy_than_sds(generator):
    # At the mean of a Gaussian of width w SDS predicts -(a w)^2 / (s^2 + (a w)^2) eps of pure noise; neighboring
    # timesteps share nearly all of it.
    known = Mixture(draw(generator, 1, *SHAPE), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=2)
    at_mean, noise = known.means.expand(2, *SHAPE), draw(generator, 2, *SHAPE)
    signal, sigma = denoiser.schedule.signal_and_noise_scales(TIMESTEPS, at_mean)
    share = (0.5 * signal) ** 2 / (sigma**2 + (0.5 * signal) ** 2)
    sds = sds_gradient(denoiser, at_mean, TIMESTEPS, noise)
    torch.testing.assert_close(sds, -share * noise)
    later = torch.tensor([150 + 13, 700 + 68])
    signal, sigma = denoiser.schedule.signal_and_noise_scales(later, at_mean)
    later_share = (0.5 * signal) ** 2 / (sigma**2 + (0.5 * signal) ** 2)
    gradient = asd(denoiser, at_mean, noise, is_shift_random=False)
    torch.testing.assert_close(gradient, (later_share - share) * noise)
    assert gradient.norm() < 0.3 * sds.norm()


@pytest.mark.parametrize("views_per_group", [1, 2])
def test_asd_draws_its_shift_below_the_largest_and_once_a_group(generator, views_per_group):
    asked = []
    denoiser = make_denoiser(image(generator), image(generator), 1.0, num_views=200)
    denoiser.views_per_group = views_per_group
    predict = denoiser.conditional
    denoiser.conditional = lambda noisy, timesteps: asked.append(timesteps) or predict(noisy, timesteps)
    timesteps, zero = torch.full((200,), 520), torch.zeros(200, *SHAPE)
    asd_gradient(denoiser, zero, timesteps, zero, generator=generator, first_timestep=20)
    shifts = asked[-1] - timesteps
    assert shifts.min() >= 0 and shifts.max() <= 50 and shifts.float().mean().sub(25).abs() < 5
    assert torch.equal(shifts[::2], shifts[1::2]) == (views_per_group == 2)


def test_the_bridge_begins_as_sds_and_ends_between_source_and_text(generator, latents, noise):
    text, negative, source = image(generator), image(generator), image(generator)
    denoiser = make_denoiser(text, negative, 7.5, num_views=2, source=source)
    first = sds_bridge_gradient(denoiser, latents, TIMESTEPS, noise, bridge=0.0)
    torch.testing.assert_close(first, sds_gradient(denoiser, latents, TIMESTEPS, noise))
    second = sds_bridge_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(second, 7.5 * ratio(denoiser, TIMESTEPS, latents) * (source.means - text.means))
    assert denoiser.counter.count == 2 * (2 + 2 + 2)
    between = sds_bridge_gradient(denoiser, latents, TIMESTEPS, noise, bridge=0.25)
    torch.testing.assert_close(between, 0.75 * first + 0.25 * second)
    assert denoiser.counter.count == 2 * (6 + 3)


def test_a_bridge_from_the_negative_prompt_is_csd_times_the_scale_and_from_the_text_nothing(generator, latents, noise):
    text, negative = image(generator), image(generator)
    denoiser = make_denoiser(text, negative, 7.5, num_views=2)
    gradient = sds_bridge_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(gradient, 7.5 * csd_gradient(denoiser, latents, TIMESTEPS, noise))
    denoiser = make_denoiser(text, negative, 7.5, num_views=2, source=text)
    assert not sds_bridge_gradient(denoiser, latents, TIMESTEPS, noise).any()


def test_the_source_of_a_view_is_its_text_with_the_modifier():
    cameras = orbit_cameras([0.0, 0.0, 80.0], [0.0, 180.0, 0.0])
    prompts = make_view_prompts("a cat", "ugly", source_modifier="blurry, noisy")
    texts = [prompts.texts[row] for row in prompts.source_rows(cameras)]
    endings = ("front view", "back view", "overhead view")
    assert texts == [f"a cat, {view}, blurry, noisy" for view in endings]
    bare = make_view_prompts("a cat", "ugly", is_view_dependent=False, source_modifier="blurry")
    assert [bare.texts[row] for row in bare.source_rows(cameras)] == ["a cat, blurry"] * 3
    without = make_view_prompts("a cat", "ugly")
    assert [without.texts[row] for row in without.source_rows(cameras)] == ["ugly"] * 3
    assert prompts.texts[: len(without.texts)] == without.texts


def test_a_source_that_is_missing_or_without_effect_is_refused():
    def prompts(method, **settings):
        guidance = Guidance({"prior_type": "splatdream-null-prior", "method": method})
        return guidance.prompts(PromptProcessor({"prompt": "a cat"} | settings))

    assert prompts("sds_bridge", source_modifier=", blurry").source_modifier == "blurry"
    with pytest.raises(ValueError, match=r"source text, and there is none; set prompt_processor\.source_modifier"):
        prompts("sds_bridge")
    with pytest.raises(ValueError, match=r"source_modifier 'blurry' has no effect.*guidance\.method: sds_bridge"):
        prompts("sds", source_modifier="blurry")
