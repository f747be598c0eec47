"""What docs/methods.md says of Perp-Neg's published weights, on the small trained prior."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.step import GuidedStep, StepSettings
from splatdream.priors.base import Views
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.toybox.image_set import ImageSetRecipe, make_image_set
from splatdream.toybox.vocabulary import parse_caption

pytest.importorskip("diffusers")
pytest.importorskip("transformers")
PROMPT = "a blue robot"


def test_published_weights_lengthen_the_direction_and_the_error_of_views_from_behind(generator):
    from splatdream.priors.stable_diffusion import load_stable_diffusion

    prior = load_stable_diffusion("toybox-sd")
    images = make_image_set(ImageSetRecipe(captions=(parse_caption(PROMPT),), num_images=40, overhead_share=0.0))
    behind = (images.azimuth_deg.abs() > 120).nonzero()[:4, 0]
    rgba = images.rgba[behind].float() / 255
    latents = prior.encode_images(rgba[..., :3] + 1 - rgba[..., 3:]).detach()
    cameras = orbit_cameras(images.elevation_deg[behind].tolist(), images.azimuth_deg[behind].tolist())
    prompts, views = make_view_prompts(PROMPT), Views(cameras, torch.ones(len(behind), 3))
    condition, timesteps = prior.encode_texts(prompts.texts), torch.full((len(behind),), 800)
    noisy = prior.schedule.add_noise(latents, torch.randn(latents.shape, generator=generator), timesteps)
    lengths, errors = [], []
    for strength in (0.0, 1.0):
        settings = StepSettings(guidance_scale=3.0, perp_neg=strength)
        denoiser = GuidedStep(prior, prompts, condition, views, latents, 0, settings).denoiser()
        unconditional, conditional = denoiser.both(noisy, timesteps)
        lengths.append((conditional - unconditional).norm())
        guided = denoiser.guided(noisy, timesteps)
        errors.append((prior.schedule.clean_from_noise(noisy, guided, timesteps) - latents).norm())
    assert lengths[1] > 1.2 * lengths[0]
    assert errors[1] > 1.4 * errors[0]
