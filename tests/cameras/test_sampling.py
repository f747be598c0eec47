"""Random cameras: in range, stratified, grouped, reproducible, well formed at any batch size."""

import pytest
import torch
from splatdream.cameras.evaluation import contact_sheet_cameras, turntable_cameras
from splatdream.cameras.random_streams import generator_for
from splatdream.cameras.sampling import (
    OrbitRanges,
    Perturbation,
    sample_azimuths,
    sample_cameras,
    sample_elevations,
    widen,
)

RANGES = OrbitRanges((-10.0, 45.0), (-180.0, 180.0), (2.0, 3.0), (40.0, 50.0))


def test_every_draw_stays_inside_its_range(generator):
    cameras = sample_cameras(RANGES, 256, 8, 8, generator)
    for values, (low, high) in (
        (cameras.elevation_deg, RANGES.elevation_deg),
        (cameras.azimuth_deg, RANGES.azimuth_deg),
        (cameras.distances, RANGES.distance),
        (torch.rad2deg(cameras.fovy_rad), RANGES.fovy_deg),
    ):
        assert values.min() >= low - 1e-4 and values.max() <= high + 1e-4
    torch.testing.assert_close(cameras.positions.norm(dim=-1), cameras.distances)


def test_azimuths_are_stratified_over_the_batch(generator):
    azimuths = sample_azimuths(-180.0, 180.0, 8, 1, generator)
    strata = ((azimuths + 180) / 45).floor().long()
    assert strata.tolist() == list(range(8))


def test_the_views_of_a_group_are_ninety_degrees_apart_and_share_the_rest(generator):
    cameras = sample_cameras(RANGES, 8, 8, 8, generator, views_per_group=4)
    azimuths = cameras.azimuth_deg.reshape(2, 4)
    steps = torch.remainder(azimuths[:, 1:] - azimuths[:, :-1], 360)
    torch.testing.assert_close(steps, torch.full((2, 3), 90.0), atol=1e-3, rtol=0)
    for shared in (cameras.elevation_deg, cameras.distances, cameras.fovy_rad):
        assert (shared.reshape(2, 4) == shared.reshape(2, 4)[:, :1]).all()


def test_a_batch_that_does_not_divide_into_groups_is_refused(generator):
    with pytest.raises(ValueError, match="batch_size 6 must be a multiple of views_per_group 4"):
        sample_cameras(RANGES, 6, 8, 8, generator, views_per_group=4)


def test_elevations_uniform_on_the_sphere_have_uniform_sines(generator):
    sines = torch.sin(torch.deg2rad(sample_elevations(-30.0, 90.0, 20000, True, generator)))
    histogram = torch.histc(sines, bins=6, min=-0.5, max=1.0) / 20000
    torch.testing.assert_close(histogram, torch.full((6,), 1 / 6), atol=0.01, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_perturbed_cameras_stay_orthonormal_at_any_batch_size(generator, batch_size):
    cameras = sample_cameras(RANGES, batch_size, 8, 8, generator, perturbation=Perturbation(0.1, 0.2, 0.02))
    rotation = cameras.c2w[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(batch_size, 3, 3), atol=1e-5, rtol=0)


def test_widening_ranges_start_as_a_point_and_end_full():
    start = widen(RANGES, 15.0, 0.0, progress=0.0)
    assert start.elevation_deg == (15.0, 15.0) and start.azimuth_deg == (0.0, 0.0)
    assert widen(RANGES, 15.0, 0.0, progress=2.0) == RANGES


def test_streams_depend_on_seed_stream_and_step_only():
    first = torch.rand(3, generator=generator_for(7, "cameras", 5))
    again = torch.rand(3, generator=generator_for(7, "cameras", 5))
    others = [generator_for(8, "cameras", 5), generator_for(7, "noise", 5), generator_for(7, "cameras", 6)]
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert all((torch.rand(3, generator=other) != first).all() for other in others)


def test_a_turntable_does_not_show_the_first_view_twice():
    cameras = turntable_cameras(8, 15.0, 2.5, 49.1, 16, 16)
    assert cameras.azimuth_deg.tolist() == [0, 45, 90, 135, 180, 225, 270, 315]


def test_a_contact_sheet_goes_row_by_row():
    cameras = contact_sheet_cameras((15.0, 45.0), 4, 2.5, 49.1, 16)
    assert cameras.elevation_deg.tolist() == [15] * 4 + [45] * 4
    assert cameras.azimuth_deg.tolist() == [0, 90, 180, 270] * 2
