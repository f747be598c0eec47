"""Noise processes: the conversions between predictions, on Gaussians where every prediction is known on paper."""

from itertools import pairwise

import pytest
import torch
from splatdream.guidance.methods.ddim_inversion import ddim_step
from splatdream.guidance.weighting import WEIGHTINGS, timestep_weights
from splatdream.priors.noise_process import RectifiedFlow, VariancePreserving, shifted_levels

SCALED_LINEAR = VariancePreserving.scaled_linear()
PROCESSES = [
    pytest.param(SCALED_LINEAR, id="variance-preserving"),
    pytest.param(RectifiedFlow.shifted(), id="rectified-flow"),
    pytest.param(RectifiedFlow.shifted(3.0), id="shifted-flow"),
]
every_process = pytest.mark.parametrize("process", PROCESSES)
MEAN, DEVIATION = 0.7, 0.4
"""Of the Gaussian data."""


def draw(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def scales(process, timesteps):
    return process.signal_and_noise_scales(timesteps, torch.zeros(len(timesteps), 1, dtype=torch.float64))


def expectations(process, noisy, timesteps):
    """E[noise | x_t], E[x_0 | x_t] and E[velocity | x_t]: each a regression on x_t of its own, none from another."""
    a, s = scales(process, timesteps)
    surprise = (noisy - a * MEAN) / (a**2 * DEVIATION**2 + s**2)
    noise, clean = s * surprise, MEAN + a * DEVIATION**2 * surprise
    if isinstance(process, RectifiedFlow):
        return noise, clean, -MEAN + (s - a * DEVIATION**2) * surprise
    return noise, clean, -s * MEAN + a * s * (1 - DEVIATION**2) * surprise


@every_process
def test_expectations_of_a_gaussian_convert_into_one_another(process, generator):
    timesteps = torch.randint(len(process), (64,), generator=generator)
    noisy = 3 * draw(generator, 64, 5)
    noise, clean, velocity = expectations(process, noisy, timesteps)
    torch.testing.assert_close(process.noise_from_clean(noisy, clean, timesteps), noise)
    torch.testing.assert_close(process.clean_from_noise(noisy, noise, timesteps), clean)
    torch.testing.assert_close(process.velocity(clean, noise, timesteps), velocity)
    torch.testing.assert_close(process.clean_and_noise(noisy, velocity, timesteps), (clean, noise))
    torch.testing.assert_close(process.add_noise(clean, noise, timesteps), noisy)


@every_process
def test_noisy_image_and_velocity_tell_image_and_noise_at_every_timestep(process, generator):
    timesteps = torch.arange(len(process))
    clean, noise = draw(generator, len(process), 3), draw(generator, len(process), 3)
    noisy, velocity = process.add_noise(clean, noise, timesteps), process.velocity(clean, noise, timesteps)
    # The determinant of the two equations is 1, so that no level loses digits.
    torch.testing.assert_close(
        process.clean_and_noise(noisy, velocity, timesteps), (clean, noise), rtol=1e-12, atol=1e-12
    )


def test_the_velocity_of_a_rectified_flow_is_the_derivative_by_the_noise_level(generator):
    process = RectifiedFlow(torch.tensor([0.3, 0.4], dtype=torch.float64))
    clean, noise = draw(generator, 1, 4), draw(generator, 1, 4)
    before, after = (process.add_noise(clean, noise, torch.tensor([t])) for t in (0, 1))
    torch.testing.assert_close((after - before) / 0.1, process.velocity(clean, noise, torch.tensor([0])))


def test_a_ddim_step_on_a_rectified_flow_is_eulers(generator):
    process = RectifiedFlow.shifted(3.0)
    noisy, velocity = draw(generator, 6, 4), draw(generator, 6, 4)
    start, end = torch.randint(1000, (2, 6), generator=generator)
    _, noise = process.clean_and_noise(noisy, velocity, start)
    level, next_level = scales(process, start)[1], scales(process, end)[1]
    torch.testing.assert_close(ddim_step(process, noisy, noise, start, end), noisy + (next_level - level) * velocity)


@every_process
@pytest.mark.parametrize("num_steps", [1, 7])
def test_any_number_of_steps_leads_to_the_only_image_that_there_is(process, num_steps, generator):
    image, start = draw(generator, 1, 4), draw(generator, 1, 4)
    levels = torch.linspace(len(process) - 1, 0, num_steps + 1).round().long()[:, None]
    noisy = start
    for current, following in pairwise(levels):
        noisy = ddim_step(process, noisy, process.noise_from_clean(noisy, image, current), current, following)
    found = process.clean_from_noise(noisy, process.noise_from_clean(start, image, levels[0]), levels[-1])
    torch.testing.assert_close(found, image)


@every_process
def test_the_path_of_small_steps_keeps_every_quantile_of_a_gaussian(process, generator):
    quantiles = draw(generator, 1, 16)

    def at(timestep):
        a, s = scales(process, torch.tensor([timestep]))
        return a * MEAN + (a**2 * DEVIATION**2 + s**2).sqrt() * quantiles

    noisy = at(len(process) - 1)
    for timestep in range(len(process) - 1, 0, -3):
        current, following = torch.tensor([timestep]), torch.tensor([timestep - 3])
        noisy = ddim_step(process, noisy, expectations(process, noisy, current)[0], current, following)
    torch.testing.assert_close(noisy, at(0), rtol=0, atol=0.01)


@every_process
def test_noise_added_later_has_the_variance_that_is_missing(process):
    earlier, later = torch.tensor([0, 10, 500]), torch.tensor([0, 400, 999])
    a, s = scales(process, earlier)
    a_later, s_later = scales(process, later)
    added = process.added_variance(earlier, later, torch.zeros(3, 1, dtype=torch.float64))
    torch.testing.assert_close((a_later / a * s).square() + added, s_later.square())
    assert added[0] == 0 and (added[1:] > 0).all()


@every_process
def test_squared_scales_are_the_squares_and_weights_follow_them(process):
    timesteps, like = torch.tensor([20, 500, 980]), torch.zeros(3, 1, 2, dtype=torch.float64)
    a, s = process.signal_and_noise_scales(timesteps, like)
    torch.testing.assert_close(process.squared_scales(timesteps, like), (a**2, s**2))
    expected = {"sigma_squared": s**2, "uniform": s**0, "fantasia3d": a * s**2, "noise_to_signal": s / a}
    assert expected.keys() == WEIGHTINGS.keys()
    for name, weights in expected.items():
        torch.testing.assert_close(timestep_weights(name, process, timesteps, like), weights)


def test_shifted_levels_are_stable_diffusion_3s():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0).sigmas
    ours = shifted_levels(torch.arange(1, 1001) / 1000, 3.0)
    torch.testing.assert_close(ours, theirs[theirs > 0].flip(0).to(ours))
    # One in the middle moves to shift / (1 + shift); no shift moves nothing.
    middle = RectifiedFlow.shifted(3.0, num_timesteps=1).levels
    torch.testing.assert_close(middle, torch.tensor([0.75]))
    torch.testing.assert_close(RectifiedFlow.shifted(num_timesteps=2).levels, torch.tensor([0.25, 0.75]))


def test_the_linear_schedule_is_stable_diffusions():
    # First and last value of alphas_cumprod of Stable Diffusion 1.x and 2.x.
    torch.testing.assert_close(SCALED_LINEAR.alphas_cumprod[0], torch.tensor(0.99915))
    torch.testing.assert_close(SCALED_LINEAR.alphas_cumprod[-1], torch.tensor(0.0046602), atol=1e-6, rtol=0)


@pytest.mark.parametrize("sigmas", [[0.0, 0.5], [0.5, 1.0], [0.5, 0.5], [0.6, 0.4], [0.2, float("nan")]])
def test_levels_that_no_image_can_be_told_from_are_refused(sigmas):
    with pytest.raises(ValueError, match=r"must rise inside \(0, 1\).*leave out a level"):
        RectifiedFlow(torch.tensor(sigmas))


def test_a_shift_must_be_positive():
    with pytest.raises(ValueError, match=r"shift 0\.0 must be positive"):
        RectifiedFlow.shifted(0.0)


def test_methods_can_tell_the_kinds_apart():
    assert (SCALED_LINEAR.kind, RectifiedFlow.shifted().kind) == ("variance preserving", "rectified flow")
