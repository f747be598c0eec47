"""Noising and denoising with priors whose answer is known."""

import pytest
import torch
from exact_priors import Mixture, make_denoiser
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.denoised_target import denoise, denoising_levels
from splatdream.guidance.denoising import DenoisingGuidance
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.startup.registration import register_all

SHAPE = (3, 4, 4)


def test_levels_fall_evenly_from_the_start():
    assert denoising_levels(800, 4).tolist() == [800, 600, 400, 200]
    assert denoising_levels(3, 10).tolist() == [3, 2, 1]
    with pytest.raises(ValueError, match="at least 1"):
        denoising_levels(500, 0)


@pytest.mark.parametrize("num_steps", [1, 7])
def test_a_prior_of_one_image_paints_that_image(generator, num_steps):
    image = torch.randn(1, *SHAPE, generator=generator)
    denoiser = make_denoiser(Mixture(image), Mixture(image), 1.0, num_views=2)
    start, noise = torch.randn(2, 2, *SHAPE, generator=generator)
    result = denoise(denoiser, start, noise, denoising_levels(900, num_steps))
    torch.testing.assert_close(result, image.expand(2, *SHAPE), rtol=0, atol=1e-3)
    assert denoiser.counter.count == 2 * num_steps


def test_guidance_costs_twice(generator):
    image = torch.zeros(1, *SHAPE)
    denoiser = make_denoiser(Mixture(image), Mixture(image + 1), 3.0, num_views=2)
    start, noise = torch.randn(2, 2, *SHAPE, generator=generator)
    denoise(denoiser, start, noise, denoising_levels(500, 5))
    assert denoiser.counter.count == 20


def test_many_small_steps_follow_the_exact_path_of_gaussian_data(generator):
    # For data N(0, w^2 I) the path keeps x_t / sqrt(a_t^2 w^2 + s_t^2) constant; at t = 0 that is x_0 / w.
    width = 0.3
    denoiser = make_denoiser(Mixture(torch.zeros(1, *SHAPE), width), Mixture(torch.zeros(1, *SHAPE)), 1.0, num_views=1)
    clean, noise = torch.randn(2, 1, *SHAPE, generator=generator)
    times = torch.tensor([800])
    noisy = denoiser.schedule.add_noise(clean, noise, times)
    signal, sigma = denoiser.schedule.signal_and_noise_scales(times, noisy)
    expected = width * noisy / (signal.square() * width**2 + sigma.square()).sqrt()
    result = denoise(denoiser, clean, noise, denoising_levels(800, 400))
    torch.testing.assert_close(result, expected, rtol=0.05, atol=0.01)


def test_weak_noise_keeps_what_is_there_and_strong_noise_forgets_it(generator):
    images = torch.stack([torch.full(SHAPE, 1.0), torch.full(SHAPE, -1.0)])
    start = 0.8 * images[:1]
    denoiser = make_denoiser(Mixture(images), Mixture(images), 1.0, num_views=1)
    noise = -torch.ones(1, *SHAPE) + 0.1 * torch.randn(1, *SHAPE, generator=generator)
    torch.testing.assert_close(denoise(denoiser, start, noise, denoising_levels(200, 5)), images[:1], rtol=0, atol=0.01)
    torch.testing.assert_close(
        denoise(denoiser, start, noise, denoising_levels(990, 20)), images[1:], rtol=0, atol=0.01
    )


def guidance(**cfg) -> DenoisingGuidance:
    register_all()
    return DenoisingGuidance({"num_steps": 2, "prior": {"condition": "camera", "size": 16}, **cfg})


def test_the_loss_pulls_renders_to_what_the_prior_knows(generator):
    cameras = orbit_cameras([10.0, 10.0], [0.0, 90.0], width=16, height=16)
    rgb = torch.rand(2, 16, 16, 3, generator=generator).requires_grad_()
    prompts = make_view_prompts("a red cube")
    output = guidance()(rgb, prompts, **cameras.to_batch())
    output["loss_denoise"].backward()
    # Pixel MSE: the gradient is 2 (x - target) / number of values, so one long step lands on the target.
    target = rgb.detach() - 0.5 * rgb.numel() * rgb.grad
    assert target.min() > -1e-3 and target.max() < 1 + 1e-3
    again = guidance()(target.clamp(0, 1), prompts, **cameras.to_batch())
    assert again["loss_denoise"] < 1e-6
    assert output["denoiser_evaluations"] == 4


def test_larger_renders_are_compared_at_the_size_of_the_prior(generator):
    cameras = orbit_cameras([10.0], [0.0], width=64, height=64)
    rgb = torch.rand(1, 64, 64, 3, generator=generator).requires_grad_()
    output = guidance()(rgb, make_view_prompts("a red cube"), **cameras.to_batch())
    output["loss_denoise"].backward()
    blocks = rgb.grad.reshape(1, 16, 4, 16, 4, 3)
    torch.testing.assert_close(blocks, blocks[:, :, :1, :, :1].expand_as(blocks))


def test_strength_follows_its_schedule_and_must_be_a_fraction():
    scheduled = guidance(strength=[0, 0.8, 0.4, 100])
    scheduled.update_step(0, 50)
    assert scheduled._strength == pytest.approx(0.6)
    with pytest.raises(ValueError, match=r"strength is 1\.5, but must be 0\.001 to 1; the default is 0\.8"):
        guidance(strength=1.5)
    with pytest.raises(ValueError, match=r"strength is \[0, 0\.8, 0, 100\]"):
        guidance(strength=[0, 0.8, 0, 100])
    with pytest.raises(ValueError, match=r"num_steps is 0, but must be at least 1"):
        guidance(num_steps=0)
