"""The yaw map and the whole comparison with the truth, on objects put together so that their verdict is known."""

import pytest
import torch
from splatdream.cameras.evaluation import turntable_cameras
from splatdream.evaluation.constructed_cases import collapsed, true_object, turned, wedges
from splatdream.evaluation.ground_truth import evaluate_against_toybox
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace

RING = turntable_cameras(8, 15.0, 2.5, 49.1, 64, 64)
CAT = build_scene("an orange cat")


def test_one_wedge_is_the_object_itself():
    rgb, alpha = true_object(CAT)(RING)
    rgba = trace(CAT, RING)
    torch.testing.assert_close(rgb, composite(rgba, torch.ones(8, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(alpha, rgba[..., 3:], atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [2, 4])
def test_wedges_look_alike_from_as_many_sides(count):
    rgb, _ = wedges(CAT, count)(RING)
    assert (rgb.roll(8 // count, dims=0) - rgb).abs().mean() < 1e-3
    assert (rgb[0] - rgb[1]).abs().mean() > 0.01


def test_the_front_of_two_wedges_is_the_objects_front():
    front = true_object(CAT)(RING)[0][0]
    assert (wedges(CAT, 2)(RING)[0][0] - front).abs().mean() < 0.02


CASES = {
    "ok": (true_object(CAT), "ok"),
    "half-turned": (turned(true_object(CAT), 180.0), "ok"),
    "two faces": (wedges(CAT, 2), "repeated"),
    "two faces, turned": (turned(wedges(CAT, 2), 52.0), "repeated"),
    "three faces": (wedges(CAT, 3), "repeated"),
    "two backs": (wedges(CAT, 2, kept_deg=180.0), "faceless"),
    "the front on every side": (collapsed(true_object(CAT)), "collapsed"),
    "the back on every side": (collapsed(true_object(CAT), shown_deg=180.0), "collapsed"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_of_what_was_put_together_is_found(case):
    result, expected = CASES[case]
    report = evaluate_against_toybox(result, "an orange cat")
    assert report.recognition.is_recognizable
    assert report.label == expected


def test_an_object_without_a_front_is_frontless_and_not_faceless():
    report = evaluate_against_toybox(true_object(build_scene("a red vase")), "a red vase")
    assert report.label == "frontless"


def test_another_object_is_unrecognizable_whatever_its_faces():
    assert evaluate_against_toybox(wedges(CAT, 2), "an orange train").label == "unrecognizable"
