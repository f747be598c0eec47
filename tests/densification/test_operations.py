"""Cloning and splitting hardly change the picture."""

import math

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.densification.operations import clone, faded, split
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.composition import cat
from splatdream.gaussians.rotations import quat_to_matrix
from splatdream.rendering.reference import rasterization

SHAPES = {"round": (0.2, 0.2, 0.2), "long": (0.3, 0.1, 0.05), "flat": (0.25, 0.2, 0.03)}


def gaussian(opacity: float, scales: tuple[float, float, float], generator: torch.Generator) -> GaussianCloud:
    return GaussianCloud(
        means=torch.zeros(1, 3),
        log_scales=torch.tensor([scales]).log(),
        quats=torch.randn(1, 4, generator=generator),
        opacity_logits=torch.logit(torch.tensor([opacity])),
        sh0=torch.zeros(1, 1, 3),
        shN=torch.zeros(1, 0, 3),
    )


def alpha_of(cloud: GaussianCloud) -> torch.Tensor:
    cameras = orbit_cameras([0.0, 20, 60, -30], [0.0, 70, 160, 250], width=48, height=48)
    colors = torch.ones(len(cloud), 3)
    _, alpha, _ = rasterization(
        cloud.means, cloud.quats, cloud.scales, cloud.opacities, colors, cameras.viewmats, cameras.Ks, 48, 48
    )
    return alpha


def change(before: GaussianCloud, after: GaussianCloud) -> float:
    """Relative L2 distance between the pictures."""
    reference = alpha_of(before)
    return ((alpha_of(after) - reference).norm() / reference.norm()).item()


def sampled_halves(cloud: GaussianCloud, generator: torch.Generator) -> GaussianCloud:
    """The split of 3DGS: two samples of the Gaussian with scales divided by 1.6 and its opacity."""
    both = cat([cloud, cloud])
    noise = torch.randn(2, 3, generator=generator)
    both.means = both.means + torch.einsum("nij,nj->ni", quat_to_matrix(both.quats), both.scales * noise)
    both.log_scales = both.log_scales - math.log(1.6)
    return both


@pytest.mark.parametrize("opacity", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_a_pair_of_clones_has_the_opacity_and_the_footprint_of_the_old_one(opacity, generator):
    cloud = gaussian(opacity, (0.2, 0.1, 0.05), generator)
    twin = clone(cloud)
    new = twin.opacities.item()
    assert 1 - (1 - new) ** 2 == pytest.approx(opacity, rel=1e-4)
    shrink = (twin.scales / cloud.scales)[0]
    torch.testing.assert_close(shrink, shrink[0].expand(3))
    # Integrals over the plane: of exp(-r^2 / 2 s^2) it is 2 pi s^2, of its square half of that.
    assert (2 * new - 0.5 * new**2) * shrink[0].item() ** 2 == pytest.approx(opacity, rel=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("opacity", [0.1, 0.5, 0.9, 0.99])
def test_cloning_changes_the_picture_by_at_most_13_percent(opacity, shape, generator):
    cloud = gaussian(opacity, SHAPES[shape], generator)
    twin = clone(cloud)
    assert change(cloud, cat([twin, twin])) < 0.13
    assert change(cloud, cat([cloud, cloud])) > 0.4  # what an uncorrected copy would do


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("opacity", [0.1, 0.5, 0.9, 0.99])
def test_splitting_changes_the_picture_by_at_most_a_quarter(opacity, shape, generator):
    cloud = gaussian(opacity, SHAPES[shape], generator)
    assert change(cloud, split(cloud, generator)) < 0.25
    sampled = [change(cloud, sampled_halves(cloud, generator)) for _ in range(8)]
    assert sum(sampled) / 8 > 0.6  # what sampling would do on average


def test_halves_lie_symmetrically_along_an_axis_that_is_nearly_always_the_longest(generator):
    one = gaussian(0.5, (0.3, 0.05, 0.05), generator)
    many = GaussianCloud(**{name: tensor.expand(1000, *tensor.shape[1:]) for name, tensor in one.tensors().items()})
    halves = split(many, generator)
    first, second = halves.means[:1000], halves.means[1000:]
    torch.testing.assert_close(first, -second)
    shrink = (many.log_scales - halves.log_scales[:1000]).exp()
    torch.testing.assert_close(shrink.sort(dim=1).values, torch.tensor([1.2, 1.2, 1.6]).expand(1000, 3))
    # Variances 0.09, 0.0025, 0.0025: the long axis has a share of 0.947.
    assert (shrink[:, 0] > 1.4).float().mean().item() == pytest.approx(0.947, abs=0.03)


def test_round_gaussians_split_in_all_directions(generator):
    one = gaussian(0.5, (0.1, 0.1, 0.1), generator)
    many = GaussianCloud(**{name: tensor.expand(3000, *tensor.shape[1:]) for name, tensor in one.tensors().items()})
    axis = (split(many, generator).log_scales[:3000] - many.log_scales).argmin(dim=1)
    assert (torch.bincount(axis) / 3000).tolist() == pytest.approx([1 / 3] * 3, abs=0.05)


def test_the_same_generator_splits_alike_and_very_small_gaussians_split_too():
    generators = (torch.Generator().manual_seed(1) for _ in range(2))
    cloud = gaussian(0.5, (1e-25, 2e-25, 1e-25), torch.Generator().manual_seed(0))
    first, second = (split(cloud, generator) for generator in generators)
    assert torch.equal(first.log_scales, second.log_scales) and torch.isfinite(first.means).all()


def test_nothing_to_clone_or_split_gives_nothing(generator):
    nothing = GaussianCloud(*(tensor[:0] for tensor in gaussian(0.5, (1.0, 1, 1), generator).tensors().values()))
    assert len(clone(nothing)) == 0 and len(split(nothing, generator)) == 0


def test_fading_caps_opacities_and_leaves_low_ones():
    logits = torch.logit(torch.tensor([0.02, 0.5, 0.99]))
    torch.testing.assert_close(faded(logits, 0.1).sigmoid(), torch.tensor([0.02, 0.1, 0.1]))
