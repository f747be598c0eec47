"""A red cube and a blue sphere: concatenation is drawing together, and moving one is a tensor operation."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.composition import cat, transform
from splatdream.rendering.render import render
from splatdream.scenes.sources import surface_cloud

AZIMUTHS = [0.0, 30.0, 90.0, 150.0, 180.0, 270.0]


@pytest.fixture(scope="module")
def cube() -> GaussianCloud:
    return transform(surface_cloud("a red cube", num_views=8, size=24), scale=0.5)


@pytest.fixture(scope="module")
def sphere() -> GaussianCloud:
    small = transform(surface_cloud("a blue sphere", num_views=8, size=24), scale=0.5)
    return transform(small, translation=torch.tensor([1.4, 0.0, 0.0]))


def draw(cloud: GaussianCloud) -> tuple[torch.Tensor, torch.Tensor]:
    cameras = orbit_cameras([10.0] * len(AZIMUTHS), AZIMUTHS, distance=5.0, width=48, height=48)
    output = render(cloud, cameras, torch.zeros(len(cameras), 3), 0)
    return output.rgb, output.alpha


def test_the_merged_cloud_renders_as_one_object_in_front_of_the_other(cube, sphere):
    (cube_rgb, cube_alpha), (sphere_rgb, sphere_alpha) = draw(cube), draw(sphere)
    # The sphere stands nearer to the cameras on the +x side, the cube on the other; at 90 and 270 they do not overlap.
    is_sphere_first = torch.tensor([abs(azimuth) < 90 for azimuth in AZIMUTHS])[:, None, None, None]
    sphere_over_cube = sphere_rgb + (1 - sphere_alpha) * cube_rgb
    cube_over_sphere = cube_rgb + (1 - cube_alpha) * sphere_rgb
    expected = torch.where(is_sphere_first, sphere_over_cube, cube_over_sphere)
    # Compositing stops at a transmittance of 1e-4; separate pictures go on behind it.
    torch.testing.assert_close(draw(cat([cube, sphere]))[0], expected, atol=2e-3, rtol=0)


def test_the_order_of_the_parts_does_not_matter(cube, sphere):
    torch.testing.assert_close(draw(cat([cube, sphere]))[0], draw(cat([sphere, cube]))[0], atol=1e-6, rtol=0)


def test_moving_one_part_is_adding_to_its_rows(cube, sphere):
    offset = torch.tensor([0.0, 0.3, -0.2])
    merged = cat([cube, sphere])
    merged.means[len(cube) :] += offset
    moved = cat([cube, transform(sphere, translation=offset)])
    torch.testing.assert_close(draw(merged)[0], draw(moved)[0], atol=1e-6, rtol=0)
