"""Settings that no run could use are refused when the guidance is built, in one sentence that says what is allowed."""

import pytest
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.registry import METHODS
from splatdream.host import C
from splatdream.options.option_range import schedule_steps, schedule_values

# No prior is built for a refused configuration, so that its name need not exist.
PRIOR = {"prior_type": "no-such-prior"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"guidance_rescale": 2.0}, r"guidance_rescale is 2\.0, but must be 0 to 1; 0 is off"),
        ({"guidance_scale": -7.5}, r"guidance_scale is -7\.5, but must be at least 0; 1 is no guidance"),
        ({"guidance_scale": [0, 50, -1, 100]}, r"guidance_scale is \[0, 50, -1, 100\]"),
        ({"guidance_scale": [1, 2]}, r"guidance_scale is \[1, 2\], but must be a number or a schedule"),
        ({"guidance_scale": "high"}, r"guidance_scale is 'high', but must be a number or a schedule"),
        ({"perp_neg": -1.0}, r"perp_neg is -1\.0, but must be at least 0"),
        ({"gradient_clip": [0, 0.5, -2.0, 10]}, r"gradient_clip .* must be at least 0"),
        ({"gradient_scale_steps": -1}, r"gradient_scale_steps is -1"),
        ({"annealing_steps": -1}, r"annealing_steps is -1"),
        ({"method": "vsd", "lora_rank": 4}, r"unknown key 'lora_rank' in .*Guidance\.Config"),
        ({"weighting": "sigma"}, r"guidance\.weighting 'sigma' is unknown; choose one of sigma_squared, uniform"),
        ({"timestep_sampling": "cosine"}, r"timestep_sampling 'cosine' is unknown; choose one of uniform, linear"),
        ({"max_step_fraction": 98}, r"max_step_fraction is 98, but must be 0 to 1"),
        ({"min_step_fraction": 0.99}, r"min_step_fraction is 0\.99 at step 0, above max_step_fraction, 0\.98"),
        ({"min_step_fraction": 0.4, "max_step_fraction": [0, 0.98, 0.3, 500]}, r"0\.4 at step 500, above .* 0\.3"),
        ({"method": "sdx"}, r"guidance method 'sdx' is unknown"),
        ({"method": "csd", "guidance_rescale": 0.7}, r"guidance_rescale has no effect on csd"),
        ({"method": "x0_reconstruction", "guidance_rescale": 0.7}, r"method_options\.x0_rescale"),
    ],
)
def test_a_setting_that_no_run_could_use_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        Guidance(PRIOR | config)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("sdi", {"inversion_steps": 0}, r"inversion_steps is 0, but must be 1 to 1000 .*; leave it out for sdi's 10"),
        ("sdi", {"inversion_steps": 2000}, r"inversion_steps is 2000"),
        ("sdi", {"eta": 1.5}, r"eta is 1\.5, but must be 0 to 1"),
        ("sdi", {"inversion_guidance_scale": "low"}, r"must be a number or a schedule"),
        ("ism", {"interval": 0}, r"interval is 0, but must be 1 to 999 .*; leave it out for ism's 50"),
        ("ism", {"interval": [0, 100, 0, 1500]}, r"interval is \[0, 100, 0, 1500\]"),
        ("ism", {"inversion_interval": 0}, r"inversion_interval is 0, but must be at least 1"),
        ("csd", {"negative_weight": 1.5}, r"negative_weight is 1\.5, but must be 0 to 1"),
        ("nfsd", {"low_noise_fraction": 200}, r"low_noise_fraction is 200"),
        ("vsd", {"camera_guidance_scale": -1}, r"camera_guidance_scale is -1, but must be at least 0"),
        ("esd", {"camera_guidance_scale": -1}, r"camera_guidance_scale"),
        ("vsd", {"lora_rank": 0}, r"lora_rank is 0, but must be at least 1; leave it out for vsd's 4"),
        ("vsd", {"lora_rank": 2.5}, r"lora_rank is 2\.5, but must be a whole number; leave it out for vsd's 4"),
        ("esd", {"lora_learning_rate": -1e-4}, r"lora_learning_rate is -0\.0001, but must be at least 0"),
        ("esd", {"lora_learning_rate": [0, 1e-3, 1e-4, 9]}, r"lora_learning_rate .* the same for the whole run; leave"),
        ("esd", {"lora_camera_dropout": 1.5}, r"lora_camera_dropout is 1\.5, but must be 0 to 1"),
        ("x0_reconstruction", {"x0_rescale": 7}, r"x0_rescale is 7"),
        ("sjc", {"is_variance_reduced": 1}, r"is_variance_reduced is 1, but must be true or false"),
    ],
)
def test_an_option_beyond_its_range_is_refused(method, options, message):
    with pytest.raises(ValueError, match=message):
        Guidance(PRIOR | {"method": method, "method_options": options})


@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_its_own_defaults(method):
    with pytest.raises(KeyError, match="no-such-prior"):  # that is, everything before the prior was accepted
        Guidance(PRIOR | {"method": method, "method_options": METHODS[method].options})


@pytest.mark.parametrize("schedule", [3.0, [1.0, 0.5, 100], [50, 1.0, 0.5, 100], [0, 1, 0.5, 10, 0.2, 20, 0.7, 40]])
def test_corners_of_a_schedule_are_what_the_host_makes_of_it(schedule):
    corners = zip(schedule_steps(schedule), schedule_values("x", schedule), strict=True)
    assert all(C(schedule, 0, step) == pytest.approx(value) for step, value in corners)
