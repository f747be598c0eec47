"""Looking only where something is must not change what is seen."""

import math

import pytest
import torch
from known_fields import HEIGHT, RADIUS, STEP, gray_sphere
from splatdream.cameras.batch import orbit_cameras
from splatdream.fields.view_rendering import gather, rays_of, render_views

CAMERAS = orbit_cameras([0.0, 40.0], [0.0, 100.0], width=24, height=24)


def test_empty_cells_are_left_out_and_the_image_stays():
    volume = gray_sphere()
    with torch.no_grad():
        before = render_views(volume, CAMERAS, torch.ones(2, 3))
    num_before = len(volume.samples(rays_of(CAMERAS)).starts)
    for step in range(0, 160, 16):
        volume.after_step(step)
    after = render_views(volume, CAMERAS, torch.ones(2, 3))
    assert len(volume.samples(rays_of(CAMERAS)).starts) < 0.5 * num_before
    # A cell is left out below an opacity of 0.01 a sample: of the sphere nothing, of the haze round it all.
    is_sphere = before[1][..., 0] > 0.9
    torch.testing.assert_close(after[0][is_sphere], before[0][is_sphere], rtol=0, atol=0.05)
    assert is_sphere.sum() > 30 and float((after[1] - before[1]).abs().mean()) < 0.03
    centers = torch.tensor([[0.0, 0, 0], [0.9, 0.9, 0.9], [2.0, 0, 0]])
    assert volume.occupancy.contains(centers).tolist() == [True, False, False]


def test_what_lies_behind_the_surface_is_not_sampled():
    middle = rays_of(orbit_cameras([0.0], [0.0], width=1, height=1))
    samples = gray_sphere().samples(middle)
    # A thousandth of the light is left where the density has summed up to log(1000) = exp(height (1 - r / radius)) x
    # radius / height.
    depth = RADIUS * (1 - math.log(math.log(1000) * HEIGHT / RADIUS) / HEIGHT)
    assert float(samples.ends.max()) == pytest.approx(2.5 - depth, abs=2 * STEP)


def test_an_update_leaves_the_global_generator_alone_and_can_be_repeated():
    state = torch.random.get_rng_state()
    one, other = gray_sphere(), gray_sphere()
    for step in (0, 16, 304):
        one.after_step(step)
        torch.rand(3)
        other.after_step(step)
    torch.random.set_rng_state(state)
    one.after_step(320)
    assert torch.equal(torch.random.get_rng_state(), state)
    other.after_step(320)
    assert torch.equal(one.occupancy.estimator.occs, other.occupancy.estimator.occs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_sampler_of_nerfacc_sees_the_same_on_cuda():
    volume = gray_sphere()
    volume.after_step(0)
    expected = gather(volume, rays_of(CAMERAS))
    found = gather(volume.cuda(), rays_of(CAMERAS.to("cuda")))
    torch.testing.assert_close(found.opacities.cpu(), expected.opacities, rtol=0, atol=0.02)
    torch.testing.assert_close(found.premultiplied.cpu(), expected.premultiplied, rtol=0, atol=0.02)
