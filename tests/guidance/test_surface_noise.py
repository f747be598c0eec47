"""Noise that stays with a surface: white in every view, the same where two views see the same place."""

import math
from pathlib import Path

import pytest
import torch
from exact_priors import Mixture, make_denoiser
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.guidance import Guidance
from splatdream.guidance.methods.cfd import cfd_gradient
from splatdream.guidance.methods.sds import sds_gradient
from splatdream.guidance.surface_noise import Surface, fixed_noise, surface_noise
from splatdream.startup.launching import main

SIZE = 16
FAR = {"distance": 100.0, "fovy_deg": math.degrees(2 * math.atan(1 / 100))}
"""Nearly parallel rays, 2 world units across."""


def cameras_at(*azimuths):
    return orbit_cameras([0.0] * len(azimuths), list(azimuths), width=SIZE, height=SIZE, **FAR)


def sphere(cameras, seed=0, radius=0.8):
    """The depth of a sphere around the origin, by the formula of its intersection with the rays."""
    origin, directions = cameras.positions[:, None, None].double(), cameras.ray_directions.double()
    towards = -(origin * directions).sum(-1, keepdim=True)
    under_root = towards**2 - (origin.square().sum(-1, keepdim=True) - radius**2)
    along_axis = -(directions * cameras.c2w[:, None, None, :3, 2].double()).sum(-1, keepdim=True)
    depth = (towards - under_root.clamp(min=0).sqrt()) * along_axis
    return Surface(cameras, torch.where(under_root > 0, depth, 0).float(), seed)


def noise_of(surface, channels=4, cell_size=0.04):
    return surface_noise(surface, torch.zeros(len(surface.depth), channels, SIZE, SIZE), cell_size)


def test_points_lie_on_the_surface():
    surface = sphere(cameras_at(0.0, 70.0))
    distances = surface.points(SIZE, SIZE).norm(dim=-1)
    hit = distances.isfinite()
    assert torch.equal(hit, surface.depth[..., 0] > 0)
    torch.testing.assert_close(distances[hit], torch.full_like(distances[hit], 0.8), atol=5e-3, rtol=0)


def test_it_is_standard_normal_and_white_in_a_view():
    views = torch.cat([noise_of(sphere(cameras_at(20.0), seed)) for seed in range(400)])
    # 400 seeds, the same pixel: mean 0, variance 1, no correlation with neighbors or between channels.
    assert views.mean(0).abs().max() < 5 / math.sqrt(400)
    assert (views.var(0) - 1).abs().max() < 5 * math.sqrt(2 / 400)
    for neighbor in (views.roll(1, -1), views.roll(1, -2), views.roll(1, 1)):
        assert (views * neighbor).mean(0).abs().max() < 5.5 / math.sqrt(400)
    assert abs(float((views**4).mean()) - 3) < 0.1


def test_a_surface_that_turns_with_the_camera_by_nothing_keeps_its_noise_and_far_sides_share_none():
    same, again, opposite = noise_of(sphere(cameras_at(0.0, 0.0, 180.0)))
    assert torch.equal(same, again)
    middle = slice(4, 12)
    shared = (same * opposite.flip(-1))[:, middle, middle].mean()
    assert shared.abs() < 5 / math.sqrt(4 * 64)


def test_the_same_place_has_the_same_noise_from_two_views():
    # A wall in the middle of a layer of cells, facing +x: cameras a few whole latent pixels apart see the same cells.
    first = cameras_at(0.0)
    moved = first.c2w.clone()
    moved[:, 1, 3] += 4 * 2 / SIZE
    second = type(first)(moved, first.fovy_rad, first.elevation_deg, first.azimuth_deg, first.distances, SIZE, SIZE)
    noises = []
    for cameras in (first, second):
        depth = torch.full((1, SIZE, SIZE, 1), 99.97)
        noises.append(noise_of(Surface(cameras, depth, 0), cell_size=2 / SIZE / 2)[0])
    # World +y is to the right, so what the second sees stands four pixels to the left; borders share less.
    one, other = noises[0][:, 1:-1, 5:-1], noises[1][:, 1:-1, 1:-5]
    correlation = float((one * other).mean() / (one.std() * other.std()))
    assert correlation > 0.95


def test_nearby_views_agree_more_than_distant_ones():
    front, near, far = noise_of(sphere(cameras_at(0.0, 3.0, 40.0)), channels=16)
    inside = (slice(None), slice(4, 12), slice(4, 12))
    agreement = [float((front * other)[inside].mean()) for other in (near, far)]
    assert agreement[0] > 0.4 and abs(agreement[1]) < 0.2


def test_without_a_surface_it_stays_with_the_pixel():
    nothing = Surface(cameras_at(0.0, 90.0), torch.zeros(2, SIZE, SIZE, 1), seed=3)
    noise = noise_of(nothing)
    assert torch.equal(noise[0], noise[1]) and torch.equal(noise, fixed_noise(noise, 3))
    assert not torch.equal(noise, fixed_noise(noise, 4))


def test_faint_pixels_are_no_surface():
    seen = Surface.seen(cameras_at(0.0), torch.ones(1, 1, 2, 1), torch.tensor([0.4, 0.6]).view(1, 1, 2, 1), 0)
    assert seen.depth.flatten().tolist() == [0.0, 1.0]


def test_cfd_is_sds_with_the_noise_of_the_surface(generator):
    known = Mixture(torch.randn(3, 4, SIZE, SIZE, generator=generator), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=2)
    latents, timesteps = torch.randn(2, 4, SIZE, SIZE, generator=generator), torch.tensor([300, 700])
    surface = sphere(cameras_at(0.0, 90.0))
    gradient = cfd_gradient(denoiser, latents, timesteps, latents, surface=surface, seed=0)
    kept = surface_noise(surface, latents, 0.02)
    torch.testing.assert_close(gradient, sds_gradient(denoiser, latents, timesteps, kept))


def test_cfd_under_falling_timesteps_samples_a_gaussian_from_its_noise():
    # The flow of a Gaussian of width w carries noise k to its mean + w k, up to its first and last timestep.
    known = Mixture(torch.full((1, 1, SIZE, SIZE), 2.0), width=0.5)
    denoiser = make_denoiser(known, known, 1.0, num_views=1)
    latents = known.means.clone()
    for timestep in range(980, 20, -2):
        for _ in range(8):
            gradient = cfd_gradient(denoiser, latents, torch.tensor([timestep]), latents, surface=None, seed=0)
            # sigma / signal times the gradient is x - x_0, of which a part is walked.
            signal, sigma = denoiser.schedule.signal_and_noise_scales(torch.tensor([timestep]), latents)
            latents = latents - 0.5 * sigma / signal * gradient
    spread = latents - 2.0
    kept = fixed_noise(latents, 0)
    correlation = float((spread * kept).mean() / (spread.std() * kept.std()))
    assert abs(correlation) > 0.99


def test_what_needs_draws_or_mirrors_is_refused():
    prior = {"prior_type": "splatdream-null-prior", "method": "cfd"}
    with pytest.raises(ValueError, match=r"reward_type x has no draws to choose among: cfd keeps its noise"):
        Guidance(prior | {"reward_type": "x"})
    with pytest.raises(ValueError, match=r"flip_probability 0\.5 mirrors views"):
        Guidance(prior | {"flip_probability": 0.5})


def test_a_run_is_told_its_surface(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path))
    seen = []
    original = Surface.seen
    monkeypatch.setattr(Surface, "seen", staticmethod(lambda *args: seen.append(args) or original(*args)))
    config = Path(__file__).parents[2] / "configs" / "tiny.yaml"
    quiet = ("use_timestamp=false", "trainer.enable_progress_bar=false", "system.export_after_training=false")
    paths = (f"exp_root_dir={tmp_path}", "tag=cfd", "data.num_test_views=1", "trainer.max_steps=2")
    assert main(["--config", str(config), "--train", "system.guidance.method=cfd", *quiet, *paths]) == 0
    assert len(seen) == 2 and seen[0][1].shape == (2, 24, 24, 1)
