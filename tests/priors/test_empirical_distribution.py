import math

import pytest
import torch
from splatdream.priors.empirical_distribution import EmpiricalDistribution, NoisyImages


def _random_images(generator, count=12, size=8):
    alpha = torch.rand(count, size, size, 1, generator=generator).round()
    rgb = torch.rand(count, size, size, 3, generator=generator) * alpha
    return torch.cat([rgb, alpha], dim=-1)


def _posterior_mean(rgba, noisy, background, signal, sigma, tau=0.0, is_member=None):
    return EmpiricalDistribution(rgba, tau).posterior_mean(NoisyImages(noisy, background, signal, sigma), is_member)


def _composited(rgba, background):
    """[B, N, 3, H, W] in [-1, 1], float64."""
    rgba, background = rgba.double(), background.double()
    rgb = rgba[None, ..., :3] + (1 - rgba[None, ..., 3:]) * background[:, None, None, None]
    return 2 * rgb.movedim(-1, 2) - 1


def _brute_force(rgba, noisy, background, signal, sigma, tau, is_member=None):
    """The posterior mean, image by image, straight from Bayes' rule in double precision."""
    means = []
    for b, images in enumerate(_composited(rgba, background)):
        variance = float(sigma[b]) ** 2 + (float(signal[b]) * tau) ** 2
        distances = (noisy[b].double() - float(signal[b]) * images).square().sum(dim=(1, 2, 3))
        logits = -distances / (2 * variance)
        if is_member is not None:
            logits = logits.masked_fill(~is_member[b], -math.inf)
        # Each Gaussian N(x_i, tau^2) has the posterior mean of a conjugate pair.
        gain = float(signal[b]) * tau**2 / variance
        each = images + gain * (noisy[b].double() - float(signal[b]) * images)
        means.append((logits.softmax(0)[:, None, None, None] * each).sum(0))
    return torch.stack(means)


@pytest.mark.parametrize("tau", [0.0, 0.3])
@pytest.mark.parametrize("alphas_cumprod", [0.9991, 0.7, 0.2, 0.005])
def test_the_posterior_mean_is_that_of_brute_force(generator, tau, alphas_cumprod):
    rgba = _random_images(generator)
    background = torch.rand(5, 3, generator=generator)
    signal = torch.full((5,), math.sqrt(alphas_cumprod))
    sigma = torch.full((5,), math.sqrt(1 - alphas_cumprod))
    # Half way between two images, so that the weights are not one-hot; then noise.
    images = _composited(rgba, background)
    clean = 0.5 * (images[:, 3] + images[:, 7]).float()
    noise = torch.randn(clean.shape, generator=generator)
    noisy = signal[:, None, None, None] * clean + sigma[:, None, None, None] * noise
    is_member = torch.rand(5, 12, generator=generator) > 0.4
    for members in (None, is_member):
        mean = _posterior_mean(rgba, noisy, background, signal, sigma, tau, members)
        expected = _brute_force(rgba, noisy, background, signal, sigma, tau, members)
        torch.testing.assert_close(mean.double(), expected, atol=2e-5, rtol=0)


def test_at_toybox_size_and_little_noise_single_precision_is_enough(generator):
    # 12,288 numbers an image, divided by a variance of 0.0009: where rounding would show.
    rgba = _random_images(generator, count=3, size=64)
    near = rgba[:1] + 1e-3 * torch.randn(40, 64, 64, 4, generator=generator)
    rgba = torch.cat([rgba, near.clamp(0, 1)])
    background = torch.rand(4, 3, generator=generator)
    signal, sigma = torch.full((4,), math.sqrt(0.9991)), torch.full((4,), 0.03)
    clean = _composited(rgba, background)[:, 0].float()
    noisy = signal[0] * clean + sigma[0] * torch.randn(clean.shape, generator=generator)
    mean = _posterior_mean(rgba, noisy, background, signal, sigma)
    expected = _brute_force(rgba, noisy, background, signal, sigma, 0.0)
    torch.testing.assert_close(mean.double(), expected, atol=1e-4, rtol=0)


def test_one_image_is_the_answer_to_everything(generator):
    rgba = _random_images(generator, count=1)
    noisy, background = torch.randn(2, 3, 8, 8, generator=generator), torch.rand(2, 3, generator=generator)
    signal = torch.tensor([0.1, 0.9])
    mean = _posterior_mean(rgba, noisy, background, signal, (1 - signal**2).sqrt())
    torch.testing.assert_close(mean.double(), _composited(rgba, background)[:, 0], atol=1e-6, rtol=0)


def test_two_images_share_by_the_logistic_function():
    # Flat images at -d and d: the posterior mean at x_t is d tanh(a d n x_t / s^2), n numbers an image.
    d, size, a = 0.05, 4, 0.6
    s = math.sqrt(1 - a * a)
    levels = torch.tensor([0.5 - d / 2, 0.5 + d / 2])
    rgba = torch.ones(2, size, size, 4)
    rgba[..., :3] = levels[:, None, None, None]
    x_t = torch.tensor([-0.2, 0.0, 0.1])
    noisy = x_t[:, None, None, None].expand(3, 3, size, size)
    mean = _posterior_mean(rgba, noisy, torch.zeros(3, 3), torch.full((3,), a), torch.full((3,), s))
    expected = d * torch.tanh(a * d * 3 * size * size * x_t / s**2)
    torch.testing.assert_close(mean, expected[:, None, None, None].expand_as(mean), atol=1e-5, rtol=1e-4)


def test_one_gaussian_answers_like_a_wiener_filter(generator):
    rgba, tau, a = _random_images(generator, count=1), 0.4, 0.7
    s = math.sqrt(1 - a * a)
    noisy, background = torch.randn(1, 3, 8, 8, generator=generator), torch.rand(1, 3, generator=generator)
    mean = _posterior_mean(rgba, noisy, background, torch.tensor([a]), torch.tensor([s]), tau)
    image = _composited(rgba, background)[:, 0]
    # Precisions 1 / tau^2 for the image and a^2 / s^2 for x_t / a.
    prior, data = 1 / tau**2, a**2 / s**2
    expected = (prior * image + data * noisy.double() / a) / (prior + data)
    torch.testing.assert_close(mean.double(), expected, atol=1e-5, rtol=0)


def test_without_noise_it_is_the_nearest_image_and_in_pure_noise_the_average(generator):
    rgba, background = _random_images(generator), torch.rand(1, 3, generator=generator)
    images = _composited(rgba, background)[0]
    near = _posterior_mean(rgba, (images[4:5] + 0.01).float(), background, torch.tensor([1.0]), torch.tensor([1e-3]))
    torch.testing.assert_close(near[0].double(), images[4], atol=1e-6, rtol=0)
    far = _posterior_mean(
        rgba, torch.randn(1, 3, 8, 8, generator=generator), background, torch.tensor([1e-5]), torch.tensor([1.0])
    )
    torch.testing.assert_close(far[0].double(), images.mean(0), atol=1e-3, rtol=0)


def test_the_posterior_mean_has_the_score_of_the_marginal_density(generator):
    # Tweedie: E[x_0 | x_t] = (x_t + s^2 grad log p(x_t)) / a, p a mixture of Gaussians.
    rgba, background, a, tau = _random_images(generator, count=5), torch.rand(1, 3, generator=generator), 0.2, 0.1
    s = math.sqrt(1 - a * a)
    noisy = torch.randn(1, 3, 8, 8, generator=generator, dtype=torch.float64).requires_grad_()
    images = _composited(rgba, background)[0]
    log_density = torch.logsumexp(-(noisy - a * images).square().sum(dim=(1, 2, 3)) / (2 * (s**2 + (a * tau) ** 2)), 0)
    (score,) = torch.autograd.grad(log_density, noisy)
    mean = _posterior_mean(rgba, noisy.detach().float(), background, torch.tensor([a]), torch.tensor([s]), tau)
    torch.testing.assert_close(mean.double(), (noisy.detach() + s**2 * score) / a, atol=1e-4, rtol=0)
