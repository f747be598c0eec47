"""The closed-form prior of several views, against images that are traced and weighed here, in double precision."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.priors.base import Views
from splatdream.priors.closed_form_multiview import MultiViewClosedFormPrior
from splatdream.priors.registered import RegisteredClosedFormPrior
from splatdream.toybox.image_set import unconditional_captions
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace

SIZE, YAWS = 16, 12
CAPTION = "an orange cat"


def ring(first_azimuth=10.0, elevation=15.0, size=SIZE):
    return orbit_cameras([elevation] * 4, [first_azimuth + 90.0 * i for i in range(4)], width=size, height=size)


def uneven():
    return orbit_cameras([0.0, 30.0, -5.0, 50.0], [3.0, 71.0, 200.0, -33.0], width=SIZE, height=SIZE)


def groups(caption, cameras, num_yaws, background):
    """[K, V, 3, h, w]: the object turned by each yaw, from cameras placed anew, in [-1, 1]."""
    scene, found = build_scene(caption), []
    for k in range(num_yaws):
        azimuth = cameras.azimuth_deg - 360.0 / num_yaws * k
        seen = orbit_cameras(cameras.elevation_deg, azimuth, width=SIZE, height=SIZE)
        found.append(2 * composite(trace(scene, seen), background).movedim(-1, 1) - 1)
    return torch.stack(found).double()


def joint_mean(data, noisy, signal, variance):
    """The posterior mean of groups that are concatenated to one vector each."""
    squares = (noisy.double() - signal * data).square().flatten(1).sum(1)
    weights = (-squares / (2 * variance)).softmax(0)
    return (weights.view(-1, 1, 1, 1, 1) * data).sum(0)


def scales(prior, timestep):
    alphas_cumprod = float(prior.schedule.alphas_cumprod[timestep])
    return alphas_cumprod**0.5, 1 - alphas_cumprod


@pytest.mark.parametrize("cameras", [ring(), uneven()], ids=["ring", "uneven"])
@pytest.mark.parametrize("timestep", [300, 900, 990])
def test_the_views_of_a_group_have_the_posterior_of_one_long_vector(generator, cameras, timestep):
    prior = MultiViewClosedFormPrior(num_yaws=YAWS, size=SIZE)
    views = Views(cameras, torch.rand(4, 3, generator=generator))
    data = groups(CAPTION, cameras, YAWS, views.background)
    signal, variance = scales(prior, timestep)
    # Between two yaws, so that neither has all the weight.
    noisy = (signal * data[2:4].mean(0) + variance**0.5 * torch.randn(4, 3, SIZE, SIZE, generator=generator)).float()
    clean = prior.predict_clean(noisy, torch.full((4,), timestep), prior.encode_texts([CAPTION] * 4), views)
    expected = joint_mean(data, noisy, signal, variance)
    # The one and the other camera may see different samples at edges.
    torch.testing.assert_close(clean.double(), expected, atol=3e-3, rtol=0)


def test_groups_of_one_batch_do_not_see_each_other(generator):
    prior = MultiViewClosedFormPrior(num_yaws=YAWS, size=SIZE)
    condition, times = prior.encode_texts([CAPTION] * 4), torch.full((4,), 900)
    noisy = torch.randn(8, 3, SIZE, SIZE, generator=generator)
    views = [Views(cameras, torch.ones(4, 3)) for cameras in (ring(), ring(40.0, 45.0))]
    apart = [prior.predict_clean(noisy[4 * i : 4 * i + 4], times, condition, views[i]) for i in range(2)]
    both = orbit_cameras([15.0] * 4 + [45.0] * 4, [10, 100, 190, 280, 40, 130, 220, 310], width=SIZE, height=SIZE)
    together = prior.predict_clean(
        noisy, torch.full((8,), 900), prior.encode_texts([CAPTION] * 8), Views(both, torch.ones(8, 3))
    )
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=0)


def test_one_yaw_with_a_width_is_one_gaussian(generator):
    tau, timestep = 0.5, 400
    prior = MultiViewClosedFormPrior(num_yaws=1, tau=tau, size=SIZE)
    views = Views(ring(), torch.rand(4, 3, generator=generator))
    noisy = torch.randn(4, 3, SIZE, SIZE, generator=generator)
    noise = prior.predict_noise(noisy, torch.full((4,), timestep), prior.encode_texts([CAPTION] * 4), views)
    center = groups(CAPTION, views.cameras, 1, views.background)[0]
    signal, variance = scales(prior, timestep)
    # The noised Gaussian has variance s^2 + a^2 tau^2 about a x; the noise is -s times its score.
    expected = variance**0.5 * (noisy.double() - signal * center) / (variance + (signal * tau) ** 2)
    torch.testing.assert_close(noise.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("turns", [1, 5])
def test_cameras_that_turn_by_a_yaw_change_nothing(generator, turns):
    # No yaw is preferred, so that only where the cameras stand to each other counts.
    prior = MultiViewClosedFormPrior(num_yaws=YAWS, size=SIZE)
    condition, times = prior.encode_texts([CAPTION] * 4), torch.full((4,), 940)
    noisy = torch.randn(4, 3, SIZE, SIZE, generator=generator)
    plain = prior.predict_clean(noisy, times, condition, Views(ring(10.0), torch.ones(4, 3)))
    turned = prior.predict_clean(noisy, times, condition, Views(ring(10.0 + turns * 360 / YAWS), torch.ones(4, 3)))
    torch.testing.assert_close(turned, plain, atol=2e-3, rtol=0)


def test_views_that_disagree_are_brought_to_one_object_and_single_views_are_not(generator, tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    cameras, background, timestep = ring(0.0), torch.ones(4, 3), 200
    joint = RegisteredClosedFormPrior({"condition": "multi_view", "size": SIZE, "num_yaws": YAWS})()
    single = RegisteredClosedFormPrior({"condition": "view_blind", "size": SIZE, "num_images": 200})()
    data = groups(CAPTION, cameras, YAWS, background)
    fronts = data[0, :1].expand(4, -1, -1, -1)  # the same face on every side
    signal, variance = scales(joint, timestep)
    noisy = (signal * fronts + variance**0.5 * torch.randn(fronts.shape, generator=generator)).float()
    arguments = (noisy, torch.full((4,), timestep), joint.encode_texts([CAPTION] * 4), Views(cameras, background))

    def distance_to_one_object(clean):
        return float((clean.double() - data).square().mean(dim=(1, 2, 3, 4)).min())

    assert distance_to_one_object(joint.predict_clean(*arguments)) < 1e-6
    assert distance_to_one_object(single.predict_clean(*arguments)) > 0.02
    # Every single view is content with a face: what comes out is nearer to it than to the side that is turned there.
    alone = single.predict_clean(*arguments).double()
    to_front, to_own_side = ((alone - other).square().mean(dim=(1, 2, 3)) for other in (fronts, data[0]))
    assert (to_front[1:] < 0.5 * to_own_side[1:]).all()


def test_the_empty_text_is_every_object_in_every_color(generator):
    prior = MultiViewClosedFormPrior(num_unconditional_yaws=2, size=SIZE)
    views, timestep = Views(ring(), torch.ones(4, 3)), 960
    noisy = torch.randn(4, 3, SIZE, SIZE, generator=generator)
    clean = prior.predict_clean(noisy, torch.full((4,), timestep), prior.encode_texts([""] * 4), views)
    data = torch.cat([groups(caption, views.cameras, 2, views.background) for caption in unconditional_captions()])
    # Cameras that differ in their last digit see other samples at edges.
    torch.testing.assert_close(clean.double(), joint_mean(data, noisy, *scales(prior, timestep)), atol=3e-3, rtol=0)


def test_evenly_spaced_views_share_their_images_and_little_is_kept(generator):
    prior = MultiViewClosedFormPrior(num_yaws=YAWS, size=SIZE)
    condition, noisy = prior.encode_texts([CAPTION] * 4), torch.randn(4, 3, SIZE, SIZE, generator=generator)
    for first in range(10):
        prior.predict_clean(noisy, torch.full((4,), 900), condition, Views(ring(float(first)), torch.ones(4, 3)))
    assert len(prior._kept) == 4
    assert all(len(known.images) == YAWS for known in prior._kept.values())


def test_bad_multi_view_requests_are_refused_with_the_remedy():
    prior = MultiViewClosedFormPrior(size=SIZE)
    views, noisy, times = Views(ring(), torch.ones(4, 3)), torch.zeros(4, 3, SIZE, SIZE), torch.full((4,), 5)
    with pytest.raises(ValueError, match="views of one group show one object"):
        prior.predict_noise(noisy, times, prior.encode_texts([CAPTION] * 3 + ["a red car"]), views)
    three = Views(views.cameras[:3], torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"3 views do not divide into groups of 4; set data\.batch_size"):
        prior.predict_noise(noisy[:3], times[:3], prior.encode_texts([CAPTION] * 3), three)
    with pytest.raises(ValueError, match="num_yaws 0 must be at least 1; the default is 36"):
        MultiViewClosedFormPrior(num_yaws=0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"condition": "sideways"}, "view_blind, view_words, camera, multi_view"),
        ({"size": 0}, "size is 0, but must be 1 to 2048"),
        ({"num_images": 0}, "num_images is 0, but must be at least 1"),
        ({"num_unconditional_images": 100}, "num_images 100 must be at least the number of captions, 176"),
        ({"overhead_share": 1.0}, "overhead_share"),
        ({"elevation_range_deg": [0, 80]}, "elevation_range_deg"),
        ({"condition": "multi_view", "views_per_group": 0}, "views_per_group is 0, but must be at least 1"),
    ],
)
def test_the_registered_prior_refuses_what_it_could_not_use_when_it_is_built(config, message):
    with pytest.raises(ValueError, match=message):
        RegisteredClosedFormPrior(config)
