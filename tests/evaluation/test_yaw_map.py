import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.cameras.conventions import wrap_degrees
from splatdream.evaluation.yaw_map import YawClass, yaw_map
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.vocabulary import FACED_OBJECTS

ELEVATION_DEG = torch.tensor([-10.0, 15.0, 45.0, 75.0])
ROW = 1
NUM_VIEWS = 24


def _ring(caption, elevation):
    azimuth = torch.arange(NUM_VIEWS) * (360.0 / NUM_VIEWS)
    cameras = orbit_cameras(torch.full_like(azimuth, float(elevation)), azimuth)
    return composite(trace(build_scene(caption), cameras), torch.ones(NUM_VIEWS, 3))


def _truth(caption):
    return torch.stack([_ring(caption, elevation) for elevation in ELEVATION_DEG])


def _map(renders, truth):
    return yaw_map(renders, truth, ROW)


@pytest.mark.parametrize("name", FACED_OBJECTS)
def test_the_true_object_is_ok_and_maps_to_itself(name):
    truth = _truth(f"an orange {name}")
    found = _map(truth[ROW], truth)
    assert found.label is YawClass.OK
    assert found.rotation_deg == 0
    torch.testing.assert_close(found.matched_azimuth_deg, wrap_degrees(found.azimuth_deg))
    assert found.arcs.count == 1
    assert found.coverage_deg == 345.0
    assert found.mean_error_deg == 0


@pytest.mark.parametrize("turn_steps", [1, 6, 12, 17])
def test_a_turned_object_is_ok_and_its_turn_is_found(turn_steps, generator):
    truth = _truth("a blue robot")
    turned = truth[ROW].roll(-turn_steps, dims=0)
    noisy = (turned + 0.05 * torch.randn(turned.shape, generator=generator)).clamp(0, 1)
    found = _map(noisy, truth)
    assert found.label is YawClass.OK
    assert found.rotation_deg == float(wrap_degrees(torch.tensor(15.0 * turn_steps)))
    torch.testing.assert_close(found.matched_azimuth_deg, wrap_degrees(found.azimuth_deg))


@pytest.mark.parametrize("name", FACED_OBJECTS)
def test_a_face_in_front_and_behind_is_repeated(name):
    truth = _truth(f"a red {name}")
    front_half = list(range(-6, 6))  # -90 to 75 degrees
    found = _map(truth[ROW][front_half + front_half], truth)
    assert found.label is YawClass.REPEATED
    assert found.arcs.count == 2


def test_a_face_on_three_sides_is_repeated():
    truth = _truth("an orange cat")
    found = _map(truth[ROW][[*range(-6, 2)] * 3], truth)
    assert found.label is YawClass.REPEATED
    assert found.arcs.count == 3


def test_a_face_that_reaches_round_the_object_is_repeated():
    truth = _truth("an orange cat")
    # The front for 255 degrees, the rest of the object squeezed behind.
    views = [0, 1, 2, 3, 3, 2, 1, 0, 0, -1, -2, -3, -3, -2, -1, 0, 0, 6, 9, 12, 15, 18, 1, 0]
    found = _map(truth[ROW][views], truth)
    assert found.label is YawClass.REPEATED
    assert found.arcs.count == 1
    assert found.arcs.widest_deg > 180


@pytest.mark.parametrize("view", [0, 7, 12])
def test_one_picture_on_every_side_is_collapsed(view, generator):
    truth = _truth("an orange cat")
    one = truth[ROW][[view] * NUM_VIEWS]
    assert _map(one, truth).label is YawClass.COLLAPSED
    found = _map((one + 0.1 * torch.randn(one.shape, generator=generator)).clamp(0, 1), truth)
    assert found.label is YawClass.COLLAPSED
    assert found.coverage_deg < 90
    assert found.mean_error_deg == 90.0


def test_the_overhead_picture_on_every_side_is_collapsed():
    truth = _truth("an orange cat")
    found = _map(truth[3][[2] * NUM_VIEWS], truth)
    assert found.label is YawClass.COLLAPSED


def test_a_single_odd_view_is_not_a_face():
    truth = _truth("an orange cat")
    views = list(range(NUM_VIEWS))
    views[12] = 0
    assert _map(truth[ROW][views], truth).label is YawClass.OK


def test_views_may_be_fewer_than_true_azimuths_but_must_divide_them():
    truth = _truth("a green frog")
    found = _map(truth[ROW].roll(-3, dims=0)[::3], truth)
    assert found.label is YawClass.OK
    assert found.rotation_deg == 45.0
    with pytest.raises(ValueError, match="multiple"):
        _map(truth[ROW][:5], truth)
