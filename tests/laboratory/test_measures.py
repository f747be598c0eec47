"""What measures say of objects whose answer is known."""

import pytest
import torch
from splatdream.assets.finished import FinishedAsset
from splatdream.cameras.batch import orbit_cameras
from splatdream.evaluation.yaw_map import yaw_map
from splatdream.laboratory.measures import faces, front_share
from splatdream.runner.results import RunResult
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


class TrueObject(FinishedAsset):
    """Each camera standing elsewhere than it is told."""

    def __init__(self, caption, seen_from=lambda cameras: cameras):
        self.scene, self.seen_from = build_scene(caption), seen_from

    def render(self, cameras, background):
        rgba = trace(self.scene, self.seen_from(cameras))
        return composite(rgba, background), rgba[..., 3:]

    page_model = sizes = visible_points = None


def faces_of(asset, caption):
    return faces(asset, caption, RunResult("", "finished", None, 0.0, None, None, {}, None))


def always_from_the_front(cameras):
    return orbit_cameras([15.0] * len(cameras), [0.0] * len(cameras), width=cameras.width, height=cameras.height)


def test_faces_are_counted_whether_or_not_the_object_is_recognizable():
    assert faces_of(TrueObject("a red car"), "a red car") == {"recognizable": 1.0, "janus": 0.0, "faces": "ok"}
    # One picture on every side is that of its face.
    found = faces_of(TrueObject("a red car", always_from_the_front), "a red car")
    assert (found["janus"], found["faces"]) == (1.0, "collapsed")
    # Another object altogether, with one face.
    assert faces_of(TrueObject("a blue robot"), "a red car")["recognizable"] == 0.0


def test_an_object_without_a_front_has_no_share_in_a_rate_of_repeated_faces():
    assert "janus" not in faces_of(TrueObject("a blue vase"), "a blue vase")
