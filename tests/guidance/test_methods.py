"""Every guidance method against denoisers whose answer is known in closed form.

A denoiser that knows a single image x* predicts eps + (a / s) (x - x*) at a x + s eps. One that knows a round Gaussian
of width w and mean m predicts s / (s^2 + a^2 w^2) (x_t - a m), and DDIM follows x_t = a m + sqrt(s^2 + a^2 w^2) xi.
"""

from pathlib import Path

import pytest
import torch
from exact_priors import Mixture, make_denoiser
from splatdream.guidance.methods.csd import csd_gradient
from splatdream.guidance.methods.ddim_inversion import ddim_step, inversion_levels, invert
from splatdream.guidance.methods.ism import ism_gradient
from splatdream.guidance.methods.nfsd import nfsd_gradient
from splatdream.guidance.methods.particles import ExactParticles, ParticleScore
from splatdream.guidance.methods.registry import METHODS
from splatdream.guidance.methods.rfds import rfds_gradient, rfds_rev_gradient
from splatdream.guidance.methods.sdi import sdi_gradient
from splatdream.guidance.methods.sds import sds_gradient
from splatdream.guidance.methods.sjc import sjc_gradient
from splatdream.guidance.methods.vsd import esd_gradient, vsd_gradient
from splatdream.guidance.methods.x0_reconstruction import x0_reconstruction_gradient
from splatdream.priors.noise_process import RectifiedFlow

SHAPE = (3, 2, 2)


def draw(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def image(generator):
    """A mixture of one image."""
    return Mixture(draw(generator, 1, *SHAPE))


@pytest.fixture
def latents(generator):
    return draw(generator, 2, *SHAPE)


@pytest.fixture
def noise(generator):
    return draw(generator, 2, *SHAPE)


TIMESTEPS = torch.tensor([150, 700])


def scales(denoiser, timesteps, like):
    signal, sigma = denoiser.schedule.signal_and_noise_scales(timesteps, like)
    return signal, sigma, signal / sigma


def predict_conditional(denoiser, noisy_latents, timesteps):
    return denoiser.conditional(noisy_latents, timesteps)


def test_csd_is_the_difference_of_the_two_images_wherever_the_render_is(generator, latents, noise):
    text, empty = image(generator), image(generator)
    denoiser = make_denoiser(text, empty, guidance_scale=33.0, num_views=2)
    gradient = csd_gradient(denoiser, latents, TIMESTEPS, noise)
    *_, ratio = scales(denoiser, TIMESTEPS, latents)
    torch.testing.assert_close(gradient, ratio * (empty.means - text.means))
    torch.testing.assert_close(gradient, csd_gradient(denoiser, latents + 5, TIMESTEPS, noise))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_csd_weighs_the_negative_prompt_against_the_empty_text(generator, latents, noise, weight):
    text, negative, empty = image(generator), image(generator), image(generator)
    denoiser = make_denoiser(text, negative, 1.0, num_views=2, empty=empty)
    gradient = csd_gradient(denoiser, latents, TIMESTEPS, noise, negative_weight=weight)
    *_, ratio = scales(denoiser, TIMESTEPS, latents)
    expected = empty.means - text.means - weight * (empty.means - negative.means)
    torch.testing.assert_close(gradient, ratio * expected)


def test_csd_is_the_limit_of_sds_under_ever_larger_guidance(generator, latents, noise):
    text, empty = image(generator), image(generator)
    large = sds_gradient(make_denoiser(text, empty, 1e7, num_views=2), latents, TIMESTEPS, noise) / 1e7
    gradient = csd_gradient(make_denoiser(text, empty, 1.0, num_views=2), latents, TIMESTEPS, noise)
    torch.testing.assert_close(large, gradient, atol=1e-5, rtol=0)


def test_nfsd_keeps_the_empty_prediction_at_low_noise_and_compares_it_with_the_negative_above(
    generator, latents, noise
):
    text, negative, empty = image(generator), image(generator), image(generator)
    denoiser = make_denoiser(text, negative, 7.5, num_views=2, empty=empty)
    gradient = nfsd_gradient(denoiser, latents, TIMESTEPS, noise)
    *_, ratio = scales(denoiser, TIMESTEPS, latents)
    toward_text = 7.5 * ratio * (empty.means - text.means)
    # Timestep 150 of 1000 lies below the published fifth of the schedule, 700 above.
    low = noise + ratio * (latents - empty.means) + toward_text
    high = ratio * (negative.means - empty.means) + toward_text
    torch.testing.assert_close(gradient, torch.stack([low[0], high[1]]))


def test_nfsd_at_low_noise_is_sds_without_the_subtraction_of_the_noise(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2)
    timesteps = torch.tensor([20, 199])
    with_noise = nfsd_gradient(denoiser, latents, timesteps, noise)
    torch.testing.assert_close(with_noise - noise, sds_gradient(denoiser, latents, timesteps, noise))


def test_nfsd_without_a_negative_prompt_is_csd_times_the_scale_at_high_noise(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2)
    timesteps = torch.tensor([200, 900])
    gradient = nfsd_gradient(denoiser, latents, timesteps, noise)
    torch.testing.assert_close(gradient, 7.5 * csd_gradient(denoiser, latents, timesteps, noise))


def test_sjc_is_sds_and_unreduced_it_is_the_prediction_alone(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2)
    sds = sds_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(sjc_gradient(denoiser, latents, TIMESTEPS, noise), sds)
    unreduced = sjc_gradient(denoiser, latents, TIMESTEPS, noise, is_variance_reduced=False)
    torch.testing.assert_close(unreduced, sds + noise)


def test_x0_reconstruction_without_rescaling_is_sds_times_noise_to_signal(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 50.0, num_views=2)
    gradient = x0_reconstruction_gradient(denoiser, latents, TIMESTEPS, noise, x0_rescale=0.0)
    *_, ratio = scales(denoiser, TIMESTEPS, latents)
    torch.testing.assert_close(ratio * gradient, sds_gradient(denoiser, latents, TIMESTEPS, noise))


def test_x0_reconstruction_fully_rescaled_aims_at_an_image_with_the_spread_of_the_unguided_one(
    generator, latents, noise
):
    text = image(generator)
    denoiser = make_denoiser(text, image(generator), 50.0, num_views=2)
    target = latents - x0_reconstruction_gradient(denoiser, latents, TIMESTEPS, noise, x0_rescale=1.0)
    torch.testing.assert_close(target.flatten(1).std(dim=1), text.means.flatten(1).std(dim=1).expand(2))


def test_x0_reconstruction_without_guidance_pulls_to_the_known_image(generator, latents, noise):
    text = image(generator)
    denoiser = make_denoiser(text, image(generator), 1.0, num_views=2)
    gradient = x0_reconstruction_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(gradient, latents - text.means)


def flow_between(*mixtures, **kwargs):
    """A denoiser on a rectified flow, and the noise levels at TIMESTEPS."""
    denoiser = make_denoiser(*mixtures, num_views=2, schedule=RectifiedFlow.shifted(3.0), **kwargs)
    _, sigma, _ = scales(denoiser, TIMESTEPS, torch.zeros(2, *SHAPE, dtype=torch.float64))
    return denoiser, sigma


def test_rfds_on_a_flow_is_the_exact_velocity_less_that_of_the_path(generator, latents, noise):
    # The velocity of a Gaussian of width w around m at x_t is E[eps - x | x_t] = -m + slope (x_t - (1 - s) m).
    known = Mixture(draw(generator, 1, *SHAPE), width=0.5)
    denoiser, sigma = flow_between(known, known, 1.0)
    gradient = rfds_gradient(denoiser, latents, TIMESTEPS, noise)
    noisy = (1 - sigma) * latents + sigma * noise
    slope = (sigma - (1 - sigma) * 0.25) / ((1 - sigma) ** 2 * 0.25 + sigma**2)
    velocity = slope * (noisy - (1 - sigma) * known.means) - known.means
    torch.testing.assert_close(gradient, velocity - (noise - latents))


def test_rfds_on_a_flow_is_the_noise_residual_over_one_minus_sigma(generator, latents, noise):
    text, empty = (Mixture(draw(generator, 3, *SHAPE), width=0.4) for _ in range(2))
    denoiser, sigma = flow_between(text, empty, 7.5)
    gradient = rfds_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(gradient, sds_gradient(denoiser, latents, TIMESTEPS, noise) / (1 - sigma))


def test_a_reversal_step_moves_the_noise_against_its_gradient_by_one_minus_sigma(generator, latents, noise):
    # The authors' update, written with velocities: k + (1 - s) (v(x_t) + x - k).
    text, empty = (Mixture(draw(generator, 3, *SHAPE), width=0.4) for _ in range(2))
    denoiser, sigma = flow_between(text, empty, 7.5)
    alone, _ = flow_between(text, empty, 1.0)
    found = noise
    for _ in range(2):
        velocity = rfds_gradient(alone, latents, TIMESTEPS, found) + found - latents
        found = found + (1 - sigma) * (velocity + latents - found)
    gradient = rfds_rev_gradient(denoiser, latents, TIMESTEPS, noise, reversal_steps=2)
    torch.testing.assert_close(gradient, rfds_gradient(denoiser, latents, TIMESTEPS, found))


def test_rfds_rev_without_a_reversal_is_rfds_and_for_a_known_image_always(generator, latents, noise):
    text, empty = (Mixture(draw(generator, 3, *SHAPE), width=0.4) for _ in range(2))
    denoiser, _ = flow_between(text, empty, 7.5)
    plain = rfds_gradient(denoiser, latents, TIMESTEPS, noise)
    assert torch.equal(rfds_rev_gradient(denoiser, latents, TIMESTEPS, noise, reversal_steps=0), plain)
    denoiser, _ = flow_between(image(generator), image(generator), 7.5)
    gradient = rfds_rev_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(gradient, rfds_gradient(denoiser, latents, TIMESTEPS, noise))


def test_the_noise_that_a_reversal_finds_varies_less_from_draw_to_draw(generator, latents):
    # On a Gaussian, predicted noise is s^2 / (a^2 w^2 + s^2) of the drawn one.
    known = Mixture(draw(generator, 1, *SHAPE), width=1.0)
    denoiser, sigma = flow_between(known, known, 1.0)
    draws = [draw(generator, 2, *SHAPE) for _ in range(2)]
    differences = [
        method(denoiser, latents, TIMESTEPS, draws[0]) - method(denoiser, latents, TIMESTEPS, draws[1])
        for method in (rfds_gradient, rfds_rev_gradient)
    ]
    share = sigma**2 / ((1 - sigma) ** 2 + sigma**2)
    torch.testing.assert_close(differences[1], share * differences[0])


def gaussian_path(denoiser, mean, width, latents, noise, timesteps):
    """Where DDIM leads the image in infinitely many steps, and the noise predicted there."""
    start = torch.zeros(len(latents), dtype=torch.long)
    signal, sigma, _ = scales(denoiser, start, latents)
    xi = (signal * (latents - mean) + sigma * noise) / (sigma**2 + (signal * width) ** 2).sqrt()
    signal, sigma, _ = scales(denoiser, timesteps, latents)
    spread = (sigma**2 + (signal * width) ** 2).sqrt()
    return signal * mean + spread * xi, sigma / spread * xi


def test_inversion_follows_the_known_path_of_a_gaussian(generator, latents, noise):
    known = Mixture(draw(generator, 1, *SHAPE), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=2)
    expected, _ = gaussian_path(denoiser, known.means, 0.5, latents, noise, TIMESTEPS)

    def error(interval):
        levels = inversion_levels(TIMESTEPS, interval)
        return (invert(denoiser, predict_conditional, latents, noise, levels) - expected).abs().max()

    assert error(1) < 0.02
    # Euler's method: the error is proportional to the step.
    assert 1.5 < error(10) / error(5) < 2.5


def test_inversion_of_a_known_image_is_exact_and_returns(generator, latents, noise):
    # The predicted noise of a single image is constant along the path, so that steps of any size are exact.
    denoiser = make_denoiser(image(generator), image(generator), 1.0, num_views=2)
    levels = inversion_levels(TIMESTEPS, 200)
    top = invert(denoiser, predict_conditional, latents, noise, levels)
    predicted = denoiser.conditional(top, TIMESTEPS)
    start = denoiser.schedule.add_noise(latents, noise, levels[0])
    torch.testing.assert_close(ddim_step(denoiser.schedule, top, predicted, TIMESTEPS, levels[0]), start)


def test_a_view_is_evaluated_only_while_its_noise_level_rises(latents, noise, generator):
    denoiser = make_denoiser(image(generator), image(generator), 1.0, num_views=2)
    assert inversion_levels(torch.tensor([150, 450]), 200).tolist() == [[0, 0], [150, 200], [150, 400], [150, 450]]
    invert(denoiser, predict_conditional, latents, noise, inversion_levels(torch.tensor([150, 450]), 200))
    assert denoiser.counter.count == 1 + 3


def test_ism_between_known_images_is_csd_times_the_scale(generator, latents, noise):
    # Along the path of the empty text its own prediction is constant, and guidance adds s (a / s_t) (x_empty - x_text).
    text, empty = image(generator), image(generator)
    denoiser = make_denoiser(text, empty, 7.5, num_views=2)
    gradient = ism_gradient(denoiser, latents, TIMESTEPS, noise)
    torch.testing.assert_close(gradient, 7.5 * csd_gradient(denoiser, latents, TIMESTEPS, noise))


def test_ism_of_a_gaussian_is_the_change_of_the_noise_over_the_interval(generator, latents, noise):
    known = Mixture(draw(generator, 1, *SHAPE), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=2)
    gradient = ism_gradient(denoiser, latents, TIMESTEPS, noise, interval=20, inversion_interval=1)
    _, before = gaussian_path(denoiser, known.means, 0.5, latents, noise, TIMESTEPS - 20)
    _, after = gaussian_path(denoiser, known.means, 0.5, latents, noise, TIMESTEPS)
    # What is left is Euler's error over the interval.
    error, expected = (gradient - (after - before)).flatten(1).norm(dim=1), (after - before).flatten(1).norm(dim=1)
    assert (error < 0.15 * expected).all()


def test_ism_vanishes_with_its_interval(generator, latents, noise):
    known = Mixture(draw(generator, 1, *SHAPE), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=2)
    assert ism_gradient(denoiser, latents, TIMESTEPS, noise, interval=0).abs().max() < 1e-9


@pytest.mark.parametrize("options", [{}, {"inversion_steps": 3}, {"eta": 0.0}, {"inversion_guidance_scale": 1.0}])
def test_sdi_is_sds_for_a_known_image_whatever_the_inversion(generator, latents, noise, options):
    # The difference of predicted and found noise is (a / s) (x - x*) for any found noise.
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2)
    gradient = sdi_gradient(denoiser, latents, TIMESTEPS, noise, generator=generator, **options)
    torch.testing.assert_close(gradient, sds_gradient(denoiser, latents, TIMESTEPS, noise))


def test_sdi_without_inversion_is_sds(generator, latents, noise):
    known, other = Mixture(draw(generator, 4, *SHAPE), 0.5), Mixture(draw(generator, 3, *SHAPE), 0.5)
    denoiser = make_denoiser(known, other, 7.5, num_views=2)
    gradient = sdi_gradient(denoiser, latents, TIMESTEPS, noise, inversion_steps=0, generator=generator)
    assert torch.equal(gradient, sds_gradient(denoiser, latents, TIMESTEPS, noise))


def test_sdi_of_gaussians_uses_the_noise_found_under_negative_guidance(generator, latents, noise):
    # Guided by s, two Gaussians of one width predict like one around the extrapolated mean.
    text, empty = (Mixture(draw(generator, 1, *SHAPE), width=0.5) for _ in range(2))
    denoiser = make_denoiser(text, empty, 7.5, num_views=2)
    gradient = sdi_gradient(denoiser, latents, TIMESTEPS, noise, inversion_steps=1000, eta=0.0, generator=generator)
    down, up = (empty.means + scale * (text.means - empty.means) for scale in (7.5, -7.5))
    inverted, _ = gaussian_path(denoiser, up, 0.5, latents, noise, TIMESTEPS)
    signal, sigma, _ = scales(denoiser, TIMESTEPS, latents)
    found = (inverted - signal * latents) / sigma
    predicted = sigma / (sigma**2 + (0.5 * signal) ** 2) * (signal * latents + sigma * found - signal * down)
    torch.testing.assert_close(gradient, predicted - found, atol=0.1, rtol=0.02)


def test_sdi_adds_the_noise_of_ddpm_on_the_way(generator, latents, noise):
    known = Mixture(torch.zeros(1, *SHAPE), width=1.0)
    denoiser = make_denoiser(known, known, 1.0, num_views=2)
    plain, noisier = (
        invert(denoiser, predict_conditional, latents, noise, torch.tensor([[0, 0], [100, 100]]), eta, generator)
        for eta in (0.0, 1.0)
    )
    start, end = denoiser.schedule.alphas_cumprod[[0, 100]].double()
    deviation = ((1 - start) / (1 - end) * (1 - end / start)).sqrt()
    # 24 normal draws.
    assert (noisier - plain).std() == pytest.approx(float(deviation), rel=0.4)


def test_vsd_vanishes_where_the_particles_are_distributed_like_the_data(generator, latents, noise):
    data = Mixture(draw(generator, 5, *SHAPE), width=0.3)
    denoiser = make_denoiser(data, data, 1.0, num_views=2)
    particles = ExactParticles(denoiser.schedule, data.means, width=0.3)
    gradient = vsd_gradient(denoiser, latents, TIMESTEPS, noise, particles=particles)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-9, rtol=0)


def test_vsd_with_one_particle_is_sds(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=1)
    particles = ExactParticles(denoiser.schedule, latents[:1])
    gradient = vsd_gradient(denoiser, latents[:1], TIMESTEPS[1:], noise[:1], particles=particles)
    torch.testing.assert_close(gradient, sds_gradient(denoiser, latents[:1], TIMESTEPS[1:], noise[:1]))


def descend(denoiser, particles, gradient_of, generator, steps=400):
    """Gradient descent of particles under a method, all at one timestep a step."""
    for _ in range(steps):
        timesteps = torch.randint(20, 980, (1,), generator=generator).expand(len(particles))
        gradient = gradient_of(denoiser, particles, timesteps, draw(generator, *particles.shape))
        particles = particles - 0.05 * gradient
    return particles


def test_sds_collapses_to_the_mode_and_vsd_keeps_the_spread_of_the_data(generator):
    data = Mixture(torch.tensor([[1.0, -2.0]]), width=0.7)
    denoiser = make_denoiser(data, data, 1.0, num_views=64)
    start = data.means + 0.7 * draw(generator, 64, 2) + 1.0

    def vsd(denoiser, particles, timesteps, noise):
        score = ExactParticles(denoiser.schedule, particles)
        return vsd_gradient(denoiser, particles, timesteps, noise, particles=score)

    collapsed = descend(denoiser, start, sds_gradient, generator)
    spread = descend(denoiser, start, vsd, generator)
    for particles in (collapsed, spread):
        torch.testing.assert_close(particles.mean(0), data.means[0].double(), atol=0.2, rtol=0)
    assert collapsed.std(0).max() < 0.2
    assert ((spread.std(0) > 0.5) & (spread.std(0) < 0.9)).all()


def test_sds_settles_in_the_nearer_of_two_modes(generator):
    data = Mixture(torch.tensor([[-3.0], [3.0]]), width=0.2)
    denoiser = make_denoiser(data, data, 1.0, num_views=2)
    timesteps = torch.tensor([200, 200])
    particles = torch.tensor([[-1.0], [1.5]], dtype=torch.float64)
    for _ in range(300):
        particles = particles - 0.1 * sds_gradient(denoiser, particles, timesteps, draw(generator, 2, 1))
    torch.testing.assert_close(particles, data.means.double(), atol=0.2, rtol=0)


class TwoCameras(ParticleScore):
    """View 0 and view 1 each know their own particle; without the camera both are possible."""

    def __init__(self, schedule, particles):
        self.own = [ExactParticles(schedule, particles[i : i + 1], width=0.2) for i in range(2)]
        self.any = ExactParticles(schedule, particles, width=0.2)

    def predict(self, noisy_latents, timesteps, knows_camera):
        if not knows_camera:
            return self.any.predict(noisy_latents, timesteps, False)
        rows = [score.predict(noisy_latents[i : i + 1], timesteps[i : i + 1], True) for i, score in enumerate(self.own)]
        return torch.cat(rows)


def test_esd_drives_views_apart_that_vsd_leaves_alike(generator, noise):
    data = Mixture(torch.zeros(1, *SHAPE), width=1.0)
    denoiser = make_denoiser(data, data, 1.0, num_views=2)
    offset = draw(generator, *SHAPE)
    latents = torch.stack([0.1 * offset, -0.1 * offset])
    score = TwoCameras(denoiser.schedule, latents)
    timesteps = torch.tensor([300, 300])
    vsd = vsd_gradient(denoiser, latents, timesteps, noise, particles=score)
    esd = esd_gradient(denoiser, latents, timesteps, noise, particles=score)
    extra = esd - vsd
    # Descending the extra term moves view 0 along +offset and view 1 along -offset.
    assert (extra[0] * offset).sum() < 0 < (extra[1] * offset).sum()
    at_one = esd_gradient(denoiser, latents, timesteps, noise, camera_guidance_scale=1.0, particles=score)
    assert torch.equal(at_one, vsd)


@pytest.mark.parametrize(
    ("method", "options", "evaluations"),
    [
        # Evaluations a view at timestep 700 with guidance and a negative prompt; see the table in docs/methods.md.
        ("sds", {}, 2),
        ("sjc", {}, 2),
        ("x0_reconstruction", {}, 2),
        ("csd", {}, 2),
        ("csd", {"negative_weight": 0.5}, 3),
        ("nfsd", {}, 3),
        ("ism", {}, 4 + 1 + 2),  # 650 in steps of 200, the interval, guidance
        ("sdi", {"eta": 0.0}, None),
        ("vsd", {}, 2),
        ("esd", {}, 2),
        ("asd", {}, 3),
        ("sds_bridge", {}, 2),
        ("sds_bridge", {"bridge": 0.5}, 3),
        ("cfd", {}, 2),
        ("rfds", {}, 2),
        ("rfds_rev", {}, 1 + 2),
    ],
)
def test_cost_of_a_view(generator, latents, noise, method, options, evaluations):
    known = {"empty": image(generator), "source": image(generator)}
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2, **known)
    supplied = {
        "sdi": {"generator": generator},
        "vsd": {"particles": ExactParticles(denoiser.schedule, latents)},
        "esd": {"particles": ExactParticles(denoiser.schedule, latents)},
        "asd": {"generator": generator, "first_timestep": 20},
        "cfd": {"surface": None, "seed": 0},
    }
    METHODS[method].gradient(denoiser, latents, torch.tensor([700, 700]), noise, **options, **supplied.get(method, {}))
    if method == "sdi":
        # Seven or eight steps of 100, two evaluations each, and guidance.
        assert denoiser.counter.count in (2 * (2 * 7 + 2), 2 * (2 * 8 + 2))
    else:
        assert denoiser.counter.count == 2 * evaluations


def test_without_a_negative_prompt_texts_that_coincide_are_evaluated_once(generator, latents, noise):
    denoiser = make_denoiser(image(generator), image(generator), 7.5, num_views=2)
    nfsd_gradient(denoiser, latents, TIMESTEPS, noise)
    assert denoiser.counter.count == 2 * 2


def test_the_documented_table_is_what_the_methods_declare():
    rows = [f"| `{method.name}` | {method.summary} | {method.cost} | {method.paper} |" for method in METHODS.values()]
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    assert "\n".join(rows) in text


def test_options_are_named_and_unknown_ones_refused():
    assert METHODS["ism"].options == {"interval": 50, "inversion_interval": 200}
    assert METHODS["vsd"].gradient_options == {"camera_guidance_scale": 1.0}
    assert METHODS["vsd"].learner_options == {
        "lora_rank": 4,
        "lora_learning_rate": 1e-4,
        "lora_camera_dropout": 0.1,
    }
    assert METHODS["sds"].options == {}
    with pytest.raises(ValueError, match="intervall is no option of ism; its options are interval, inversion_interval"):
        METHODS["ism"].check_options({"intervall": 1})
    with pytest.raises(ValueError, match="eta is no option of sds; it has none"):
        METHODS["sds"].check_options({"eta": 0.3})
