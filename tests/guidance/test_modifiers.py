"""What combines with every method: guidance conventions, rescaling, Perp-Neg, clipping, timestep annealing."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from exact_priors import Mixture, make_denoiser
from splatdream.guidance.classifier_free import guide, rescale
from splatdream.guidance.denoiser import Text
from splatdream.guidance.gradient import clip_gradient
from splatdream.guidance.methods.csd import csd_gradient
from splatdream.guidance.methods.sds import sds_gradient
from splatdream.guidance.perp_neg import perp_neg_direction, perpendicular
from splatdream.guidance.timesteps import annealed_timestep, prioritized_timestep, time_prior
from splatdream.priors.noise_process import VariancePreserving
from splatdream.prompts.perp_neg import PerpNegTerms, perp_neg_terms


def draw(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_scales_of_both_conventions_give_the_same_prediction(generator):
    unconditional, conditional = draw(generator, 2, 3), draw(generator, 2, 3)
    for scale in (100.0, 7.5, -7.5, 0.0):
        # Code that starts from the text, and code that starts from the empty text.
        from_text = conditional + scale * (conditional - unconditional)
        torch.testing.assert_close(guide(unconditional, conditional, scale + 1), from_text)
        from_empty = unconditional + scale * (conditional - unconditional)
        torch.testing.assert_close(guide(unconditional, conditional, scale), from_empty)


def test_the_weights_of_csds_code_are_one_negative_weight(generator):
    # Its configuration: 1 for the text, u for the negative prompt, n for the empty text, with u + n = -1.
    mixtures = [Mixture(draw(generator, 1, 3, 4)) for _ in range(3)]
    denoiser = make_denoiser(*mixtures[:2], 1.0, num_views=2, empty=mixtures[2])
    latents, noise, timesteps = draw(generator, 2, 3, 4), draw(generator, 2, 3, 4), torch.tensor([300, 600])
    noisy = denoiser.schedule.add_noise(latents, noise, timesteps)
    text, negative, empty = denoiser.predict(noisy, timesteps, Text.CONDITIONAL, Text.UNCONDITIONAL, Text.EMPTY)
    for u, n in ((-1.0, 0.0), (-0.75, -0.25), (-0.5, -0.5)):
        gradient = csd_gradient(denoiser, latents, timesteps, noise, negative_weight=-u)
        torch.testing.assert_close(gradient, text + u * negative + n * empty)


def test_rescaling_brings_back_the_spread_of_the_conditional_prediction(generator):
    conditional, guided = draw(generator, 4, 3, 8), 7 * draw(generator, 4, 3, 8)
    full = rescale(guided, conditional, 1.0)
    torch.testing.assert_close(full.flatten(1).std(1), conditional.flatten(1).std(1))
    torch.testing.assert_close(rescale(guided, conditional, 0.0), guided)
    torch.testing.assert_close(rescale(guided, conditional, 0.3), 0.3 * full + 0.7 * guided)


def test_rescaling_measures_the_spread_over_the_views_of_a_group(generator):
    conditional, guided = draw(generator, 4, 3, 8), 7 * draw(generator, 4, 3, 8)
    groups = rescale(guided, conditional, 1.0, views_per_group=2).reshape(2, -1)
    torch.testing.assert_close(groups.std(1), conditional.reshape(2, -1).std(1))


def test_guided_predictions_are_rescaled_when_asked(generator):
    text, empty = (Mixture(draw(generator, 1, 3, 4)) for _ in range(2))
    denoiser = make_denoiser(text, empty, 50.0, num_views=2, guidance_rescale=1.0)
    noisy, timesteps = draw(generator, 2, 3, 4), torch.tensor([300, 600])
    _, conditional = denoiser.both(noisy, timesteps)
    spread = denoiser.guided(noisy, timesteps).flatten(1).std(1)
    torch.testing.assert_close(spread, conditional.flatten(1).std(1))


def test_clipping_bounds_every_element_and_0_leaves_the_gradient_alone():
    gradient = torch.tensor([[-3.0, 0.2, 1.0]])
    assert clip_gradient(gradient, 0.5).tolist() == [[-0.5, pytest.approx(0.2), 0.5]]
    assert clip_gradient(gradient, 0.0) is gradient
    with pytest.raises(ValueError, match="gradient_clip -1"):
        clip_gradient(gradient, -1.0)


def test_a_negative_moves_the_direction_only_across_it(generator):
    directions = draw(generator, 3, 2, 5)
    positive = torch.tensor([[1.0, 0.3], [0.0, 0.7], [0.0, 0.0]])
    negative = torch.tensor([[0.0, -0.5], [-1.5, 0.0], [0.0, -2.0]])
    main = torch.stack([directions[0, 0], 0.3 * directions[0, 1] + 0.7 * directions[1, 1]])
    extra = perp_neg_direction(directions, positive, negative) - main
    torch.testing.assert_close((extra * main).sum(1), torch.zeros(2, dtype=torch.float64))
    # Away from the negative: none of its weights pulls toward the part of it that is perpendicular.
    assert (extra[0] * perpendicular(directions[1], main)[0]).sum() < 0


def test_a_negative_that_says_the_same_as_the_text_has_no_effect(generator):
    directions = draw(generator, 1, 2, 5).expand(2, 2, 5)
    result = perp_neg_direction(directions, torch.tensor([[1.0] * 2, [0.0] * 2]), torch.tensor([[0.0] * 2, [-4.0] * 2]))
    torch.testing.assert_close(result, directions[0])


def perp_neg_denoiser(generator, terms, scale=7.5):
    """Rows 0 and 1 are the text and the negative prompt of make_denoiser, row 2 the empty text."""
    mixtures = [Mixture(draw(generator, 1, 3, 4)) for _ in range(3)]
    return make_denoiser(*mixtures[:2], scale, num_views=2, empty=mixtures[2], perp_neg=terms)


def test_perp_neg_changes_the_conditional_prediction_of_every_method(generator):
    terms = PerpNegTerms(torch.tensor([[0, 0], [2, 2]]), torch.tensor([[1.0, 0.5], [0.0, 0.5]]), torch.zeros(2, 2))
    negatives = PerpNegTerms(terms.rows, terms.positive_weights, torch.tensor([[0.0, 0.0], [-1.0, -1.0]]))
    noisy, timesteps = draw(generator, 2, 3, 4), torch.tensor([300, 600])
    state = generator.get_state()
    mixed = perp_neg_denoiser(generator, terms)
    generator.set_state(state)
    pushed = perp_neg_denoiser(generator, negatives)
    generator.set_state(state)
    plain = perp_neg_denoiser(generator, None)
    unconditional, conditional = plain.both(noisy, timesteps)
    (empty,) = plain.predict(noisy, timesteps, Text.EMPTY)
    # Without negatives: the weighted mean of the predictions of the mixed texts.
    torch.testing.assert_close(mixed.conditional(noisy, timesteps)[0], conditional[0])
    torch.testing.assert_close(mixed.conditional(noisy, timesteps)[1], (0.5 * conditional + 0.5 * empty)[1])
    # With them: e(0) + s [d+ + sum w d_perp], as guided by any method.
    main = mixed.conditional(noisy, timesteps) - unconditional
    expected = unconditional + 7.5 * (main - perpendicular(empty - unconditional, main))
    torch.testing.assert_close(pushed.guided(noisy, timesteps), expected)


@pytest.mark.parametrize(("azimuths", "evaluations"), [([10, 80], 3), ([10, 170], 4), ([100, 120], 4)])
def test_perp_neg_costs_what_its_terms_cost(generator, azimuths, evaluations):
    # One for the negative prompt and one for each of front, side and back that any view of the batch uses.
    terms = perp_neg_terms(torch.zeros(2), torch.tensor(azimuths, dtype=torch.float32))
    # Front, side and back are rows 0, 2 and 3 of this denoiser.
    terms = replace(terms, rows=torch.tensor([[0, 0], [2, 2], [3, 3]]))
    mixtures = [Mixture(draw(generator, 1, 3, 4)) for _ in range(3)]
    denoiser = make_denoiser(*mixtures[:2], 7.5, 2, empty=mixtures[2], perp_neg=terms, others=(mixtures[2],))
    sds_gradient(denoiser, draw(generator, 2, 3, 4), torch.tensor([300, 600]), draw(generator, 2, 3, 4))
    assert denoiser.counter.count == 2 * evaluations


def test_square_root_annealing_is_hifas():
    schedule = VariancePreserving.scaled_linear()
    # t = t_max - (t_max - t_min) sqrt(i / N): a quarter of the run takes half of the way.
    assert [annealed_timestep("sqrt", 300, 980, progress, schedule) for progress in (0, 0.25, 1)] == [980, 640, 300]
    assert [annealed_timestep("linear", 300, 980, progress, schedule) for progress in (0, 0.25, 2)] == [980, 810, 300]
    with pytest.raises(ValueError, match="'square' is unknown; choose uniform or one of linear, sqrt, dreamtime"):
        annealed_timestep("square", 300, 980, 0.5, schedule)


def test_the_time_prior_is_dreamtimes():
    schedule = VariancePreserving.scaled_linear()
    weights = time_prior(schedule)
    ratio = ((1 - schedule.alphas_cumprod) / schedule.alphas_cumprod).sqrt().double()
    bump = weights / ratio
    assert weights.sum().item() == pytest.approx(1)
    # Flat from 500 to 800; Gaussian with deviations 100 below and 300 above.
    torch.testing.assert_close(bump[500:801], bump[[600]].expand(301))
    for timestep, deviations in ((400, 1), (300, 2), (950, 0.5)):
        expected = torch.exp(torch.tensor(-0.5 * deviations**2, dtype=torch.float64))
        torch.testing.assert_close(bump[timestep] / bump[600], expected)


def test_prioritized_timesteps_fall_and_linger_where_the_prior_decides():
    schedule = VariancePreserving.scaled_linear()
    path = [prioritized_timestep(20, 980, step / 1000, schedule) for step in range(1001)]
    assert path[0] == 980 and path[-1] == 20
    assert all(later <= earlier for earlier, later in pairwise(path))
    # The share of steps spent between two timesteps is the share of the prior's weight there.
    weights = time_prior(schedule)
    share = sum(600 <= timestep < 800 for timestep in path) / 1001
    assert share == pytest.approx(float(weights[600:800].sum() / weights[20:981].sum()), abs=0.01)
