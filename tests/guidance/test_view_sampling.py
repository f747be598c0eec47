"""Drawing views from a prior."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.cameras.random_streams import generator_for
from splatdream.guidance.sampled_views import sampling_cameras
from splatdream.guidance.view_sampling import SamplingOptions, sample_views
from splatdream.priors.base import Views
from splatdream.prompts.view_prompts import make_view_prompts

pytest.importorskip("diffusers")

import tiny_models


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    from splatdream.priors.mvdream import load_mvdream

    return load_mvdream(str(tiny_models.make_tiny_mvdream(tmp_path_factory.mktemp("mvdream"))), image_size=32)


def test_sampling_is_diffusers_ddim_with_guidance(prior):
    from diffusers import DDIMScheduler

    cameras, white = orbit_cameras([15.0] * 4, [0.0, 90.0, 180.0, 270.0]), torch.ones(4, 3)
    drawn, cost = sample_views(
        prior, make_view_prompts("a cat", is_view_dependent=False), cameras, white, SamplingOptions(3, 3.0), seed=0
    )
    assert cost == 4 * 3 * 2

    alphas = prior.schedule.levels.double()
    betas = 1 - alphas / torch.cat([torch.ones(1, dtype=torch.float64), alphas[:-1]])
    scheduler = DDIMScheduler(trained_betas=betas.numpy(), clip_sample=False)
    scheduler.set_timesteps(3)
    noise = torch.randn((4, *latent_shape(prior)), generator=generator_for(0, "noise", 0))
    latents = (1 - alphas[999]).sqrt().float() * noise
    text, empty = prior.encode_texts(["a cat, 3d asset"] * 4), prior.encode_texts([""] * 4)
    views = Views(cameras, white)
    with torch.no_grad():
        for place in (999, 666, 333):
            if place == 333:
                scheduler.set_timesteps(1)  # the last step goes all the way
            timesteps = torch.full((4,), place)
            without = prior.predict_noise(latents, timesteps, empty, views)
            guided = without + 3.0 * (prior.predict_noise(latents, timesteps, text, views) - without)
            latents = scheduler.step(guided, place, latents).prev_sample
        expected = prior.decode_latents(latents).clamp(0, 1)
    torch.testing.assert_close(drawn, expected, rtol=1e-3, atol=1e-3)


def latent_shape(prior):
    return prior.encode_images(torch.ones(4, 32, 32, 3)).shape[1:]


def test_groups_look_from_the_gaps_of_each_other():
    cameras = sampling_cameras(8, 4, [10.0, 30.0], size=16)
    torch.testing.assert_close(cameras.azimuth_deg, torch.tensor([0.0, 90, 180, 270, 45, 135, 225, 315]))
    torch.testing.assert_close(cameras.elevation_deg, torch.tensor([10.0] * 4 + [30.0] * 4))
