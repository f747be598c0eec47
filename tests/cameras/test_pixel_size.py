"""How large a pixel of training is in the world."""

import math
from types import SimpleNamespace

import pytest
from splatdream.cameras.datamodule import CameraDataModule
from splatdream.cameras.pixel_size import pixel_size, training_pixel_size


def test_a_right_angle_at_distance_one_sees_two_world_units():
    assert pixel_size(1.0, 90.0, 64) == pytest.approx(2 / 64)


def test_the_last_resolution_and_the_middle_of_the_ranges_count():
    config = {"width": [16, 64], "height": [16, 64], "resolution_milestones": [100]}
    config |= {"distance_range": [1.0, 3.0], "fovy_range_deg": [80.0, 100.0]}
    assert training_pixel_size(CameraDataModule(config).cfg) == pytest.approx(2 * 2 / 64)
    # 2 distance tan(fovy / 2) / height with the defaults, 2.5 and 49.1 degrees at 64 pixels.
    assert training_pixel_size(CameraDataModule().cfg) == pytest.approx(5 * math.tan(math.radians(24.55)) / 64)


def test_the_names_of_threestudio_are_read_and_other_data_has_no_answer():
    upstream = SimpleNamespace(height=64, camera_distance_range=[1.5, 2.5], fovy_range=[90.0, 90.0])
    assert training_pixel_size(upstream) == pytest.approx(4 / 64)
    assert training_pixel_size(SimpleNamespace()) == training_pixel_size(None) == 0
