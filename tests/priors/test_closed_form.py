import functools

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.priors.base import Views
from splatdream.priors.closed_form import ClosedFormPrior
from splatdream.priors.noise_process import VariancePreserving
from splatdream.priors.registered import RegisteredClosedFormPrior
from splatdream.prompts.directions import ViewDirection, classify_views
from splatdream.toybox.image_set import ImageSetRecipe, make_image_set, unconditional_captions
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace

SIZE = 16
WORDS = ("front", "side", "back", "overhead")


@functools.cache
def _image_set_of(caption):
    captions = unconditional_captions() if caption is None else (caption,)
    return make_image_set(ImageSetRecipe(captions, num_images=176 if caption is None else 60, size=SIZE))


def _prior(condition, tau=0.0):
    return ClosedFormPrior(_image_set_of, condition, tau, SIZE)


def _views(count, generator, size=SIZE):
    cameras = orbit_cameras([15.0] * count, [37.0 * i for i in range(count)], width=size, height=size)
    return Views(cameras, torch.rand(count, 3, generator=generator))


def _brute_force(images, members, noisy, background, timestep, schedule):
    """E[x_0 | x_t] over the chosen images of a set, in double precision."""
    alphas_cumprod = float(schedule.alphas_cumprod[timestep])
    signal, variance = alphas_cumprod**0.5, 1 - alphas_cumprod
    rgba = images.rgba[members].double() / 255
    x = 2 * (rgba[..., :3] + (1 - rgba[..., 3:]) * background.double()).movedim(-1, 1) - 1
    weights = (-(noisy.double() - signal * x).square().sum(dim=(1, 2, 3)) / (2 * variance)).softmax(0)
    return (weights[:, None, None, None] * x).sum(0)


def test_rows_are_denoised_by_the_images_of_their_caption_and_view_word(generator):
    prior = _prior("view_words")
    texts = [
        "an orange cat, front view",
        "a red car, side view",
        "overhead view of an orange cat",
        "an orange cat",
        "backside view of a red car",
    ]
    condition, views = prior.encode_texts(texts), _views(5, generator)
    noisy = torch.randn(5, 3, SIZE, SIZE, generator=generator)
    timesteps = torch.tensor([990, 700, 950, 800, 900])
    noise = prior.predict_noise(noisy, timesteps, condition, views)
    clean = prior.schedule.clean_from_noise(noisy, noise, timesteps)
    for row, caption in enumerate(condition.captions):
        images = _image_set_of(caption.without_view)
        directions = classify_views(images.elevation_deg, images.azimuth_deg)
        members = torch.ones(60, dtype=torch.bool)
        if caption.view_word:
            members = directions == ViewDirection[caption.view_word.upper()]
        expected = _brute_force(images, members, noisy[row], views.background[row], int(timesteps[row]), prior.schedule)
        # The noise prediction is divided by a_t on the way back, which is 0.07 at t = 990.
        torch.testing.assert_close(clean[row].double(), expected, atol=2e-4, rtol=0)


def test_view_blind_ignores_the_view_word(generator):
    prior, views = _prior("view_blind"), _views(4, generator)
    noisy, timesteps = torch.randn(4, 3, SIZE, SIZE, generator=generator), torch.full((4,), 600)
    worded = prior.encode_texts([f"an orange cat, {word} view" for word in WORDS])
    plain = prior.encode_texts(["an orange cat"] * 4)
    torch.testing.assert_close(
        prior.predict_noise(noisy, timesteps, worded, views), prior.predict_noise(noisy, timesteps, plain, views)
    )


def test_the_camera_condition_knows_the_image_whatever_the_noise(generator):
    prior, views = _prior("camera"), _views(3, generator, size=40)
    condition = prior.encode_texts(["a green frog wearing a red hat"] * 3)
    noisy = torch.randn(3, 3, SIZE, SIZE, generator=generator)
    clean = prior.predict_clean(noisy, torch.tensor([20, 500, 980]), condition, views)
    rgba = trace(build_scene("a green frog wearing a red hat"), views.cameras.resized(SIZE, SIZE))
    torch.testing.assert_close(prior.decode_latents(clean), composite(rgba, views.background), atol=1e-6, rtol=0)


def test_the_camera_condition_with_tau_is_one_gaussian(generator):
    prior, views = _prior("camera", tau=0.5), _views(1, generator)
    condition, noisy = prior.encode_texts(["a red cube"]), torch.randn(1, 3, SIZE, SIZE, generator=generator)
    image = _prior("camera").predict_clean(noisy, torch.tensor([400]), condition, views)
    signal, sigma = prior.schedule.signal_and_noise_scales(torch.tensor([400]), noisy)
    prior_precision, data_precision = 1 / 0.5**2, signal**2 / sigma**2
    expected = (prior_precision * image + data_precision * noisy / signal) / (prior_precision + data_precision)
    torch.testing.assert_close(prior.predict_clean(noisy, torch.tensor([400]), condition, views), expected)


@pytest.mark.parametrize("condition", ["view_blind", "view_words", "camera"])
def test_the_empty_text_is_denoised_by_all_objects(generator, condition):
    prior, views = _prior(condition), _views(1, generator)
    noisy = torch.randn(1, 3, SIZE, SIZE, generator=generator)
    clean = prior.predict_clean(noisy, torch.tensor([900]), prior.encode_texts([""]), views)
    images = _image_set_of(None)
    expected = _brute_force(images, torch.ones(176, dtype=bool), noisy[0], views.background[0], 900, prior.schedule)
    torch.testing.assert_close(clean[0].double(), expected, atol=2e-5, rtol=0)


def test_rows_of_a_condition_can_be_picked_repeated_and_reordered(generator):
    prior, views = _prior("view_words"), _views(3, generator)
    texts = ["an orange cat, front view", "", "a red car"]
    rows = torch.tensor([2, 0, 2])
    picked = prior.encode_texts(texts)[rows]
    assert len(picked) == 3
    noisy, timesteps = torch.randn(3, 3, SIZE, SIZE, generator=generator), torch.tensor([900, 700, 500])
    expected = prior.predict_noise(noisy, timesteps, prior.encode_texts([texts[2], texts[0], texts[2]]), views)
    torch.testing.assert_close(prior.predict_noise(noisy, timesteps, picked, views), expected)


def test_a_batch_is_denoised_like_its_images_alone(generator):
    prior, views = _prior("view_words"), _views(4, generator)
    condition = prior.encode_texts(["a red car, back view", "", "an orange cat, back view", "a red car"])
    noisy, timesteps = torch.randn(4, 3, SIZE, SIZE, generator=generator), torch.tensor([100, 500, 700, 900])
    together = prior.predict_noise(noisy, timesteps, condition, views)
    for row in range(4):
        one = torch.tensor([row])
        alone = prior.predict_noise(noisy[one], timesteps[one], condition[one], views[one])
        torch.testing.assert_close(together[one], alone, atol=1e-4, rtol=0)


def test_the_noise_of_a_noised_image_of_the_set_is_found(generator):
    # At t = 100 the posterior is one-hot: the prediction is the very noise that was added.
    prior, views = _prior("view_blind"), _views(1, generator)
    rgba = _image_set_of(prior.encode_texts(["an orange cat"]).captions[0]).rgba[5:6].float() / 255
    latents = prior.encode_images(composite(rgba, views.background))
    noise, timesteps = torch.randn(latents.shape, generator=generator), torch.tensor([100])
    noisy = prior.schedule.add_noise(latents, noise, timesteps)
    predicted = prior.predict_noise(noisy, timesteps, prior.encode_texts(["an orange cat"]), views)
    torch.testing.assert_close(predicted, noise, atol=1e-4, rtol=0)


def test_images_are_averaged_down_to_latents_and_back(generator):
    prior = _prior("camera")
    rgb = torch.rand(2, 4 * SIZE, 4 * SIZE, 3, generator=generator)
    averaged = rgb.view(2, SIZE, 4, SIZE, 4, 3).mean(dim=(2, 4))
    torch.testing.assert_close(prior.decode_latents(prior.encode_images(rgb)), averaged)
    same = torch.rand(1, SIZE, SIZE, 3, generator=generator)
    torch.testing.assert_close(prior.decode_latents(prior.encode_images(same)), same)
    smaller = torch.full((1, 5, 5, 3), 0.25, requires_grad=True)
    latents = prior.encode_images(smaller)
    assert latents.shape == (1, 3, SIZE, SIZE)
    latents.sum().backward()
    assert (smaller.grad > 0).all()


def test_bad_requests_are_refused_with_the_remedy(generator):
    with pytest.raises(ValueError, match="view_blind, view_words, camera"):
        _prior("sideways")
    with pytest.raises(ValueError, match="tau"):
        _prior("camera", tau=-1.0)
    prior, views = _prior("camera"), _views(2, generator)
    with pytest.raises(ValueError, match="nearest: 'cat'"):
        prior.encode_texts(["an orange catt"])
    noisy, timesteps = torch.zeros(2, 3, SIZE, SIZE), torch.tensor([5, 5])
    with pytest.raises(ValueError, match="as many condition rows"):
        prior.predict_noise(noisy, timesteps, prior.encode_texts(["a red cube"]), views)
    wide = Views(views.cameras.resized(32, 16), views.background)
    with pytest.raises(ValueError, match=r"data\.width"):
        prior.predict_noise(noisy, timesteps, prior.encode_texts(["a red cube"] * 2), wide)


def test_the_registered_prior_uses_the_cache_and_its_configuration(tmp_path, monkeypatch, generator):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    config = {"condition": "view_words", "size": SIZE, "num_images": 60, "num_unconditional_images": 176}
    prior = RegisteredClosedFormPrior(config)()
    views, texts = _views(2, generator), ["an orange cat, side view", ""]
    noisy, timesteps = torch.randn(2, 3, SIZE, SIZE, generator=generator), torch.tensor([600, 600])
    expected = _prior("view_words")
    torch.testing.assert_close(
        prior.predict_noise(noisy, timesteps, prior.encode_texts(texts), views),
        expected.predict_noise(noisy, timesteps, expected.encode_texts(texts), views),
    )
    assert len(list((tmp_path / "toybox").iterdir())) == 2


def test_the_registered_prior_takes_lists_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    config = {"size": SIZE, "num_images": 40, "elevation_range_deg": [0, 30]}
    registered = RegisteredClosedFormPrior(config)
    images = registered._image_set_of(registered().encode_texts(["a red cube"]).captions[0])
    assert images.elevation_deg.min() >= 0
    assert ((images.elevation_deg > 30) == (images.elevation_deg > 60)).all()


def test_the_schedule_is_stable_diffusions_unless_another_is_given():
    assert torch.equal(_prior("camera").schedule.alphas_cumprod, VariancePreserving.scaled_linear().alphas_cumprod)
    other = VariancePreserving.scaled_linear(num_timesteps=10)
    assert ClosedFormPrior(_image_set_of, schedule=other).schedule is other
