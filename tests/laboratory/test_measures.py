"""What measures say of objects whose answer is known."""

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.evaluation.yaw_map import yaw_map
from splatdream.laboratory.measures import front_share
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace


def test_the_front_share_of_a_true_object_is_that_of_the_front_quarter():
    cameras = orbit_cameras([15.0] * 24, [15.0 * i for i in range(24)], width=32, height=32)
    truth = composite(trace(build_scene("a red car"), cameras), torch.ones(24, 3))

    def share(renders):
        return front_share(yaw_map(renders, truth[None], row=0))

    assert share(truth) == pytest.approx(7 / 24)
    assert share(truth.roll(5, dims=0)) == pytest.approx(7 / 24)
    assert share(truth[:1].expand(24, -1, -1, -1)) == 1.0
    assert share(truth[12:13].expand(24, -1, -1, -1)) == 0.0
