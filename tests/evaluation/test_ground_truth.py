import dataclasses

import pytest
import torch
from splatdream.evaluation.ground_truth import evaluate_against_toybox, held_out_cameras
from splatdream.evaluation.image_metrics import MAX_PSNR
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace


def _rotation(degrees):
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    rotation = torch.eye(4)
    rotation[0, :2] = torch.stack([angle.cos(), -angle.sin()])
    rotation[1, :2] = torch.stack([angle.sin(), angle.cos()])
    return rotation


def _renderer(caption, turned_by_deg=0.0):
    """Renders the object after a turn about the vertical axis: seen by cameras turned the other way."""

    def render(cameras):
        seen = dataclasses.replace(cameras, c2w=_rotation(-turned_by_deg) @ cameras.c2w)
        rgba = trace(build_scene(caption), seen)
        return composite(rgba, torch.ones(len(cameras), 3)), rgba[..., 3:]

    return render


def test_the_true_object_is_perfect():
    report = evaluate_against_toybox(_renderer("an orange cat"), "an orange cat, front view")
    assert report.turn_deg == 0
    assert report.label == "ok"
    assert report.raw == report.turned
    assert report.raw.psnr == MAX_PSNR
    assert report.raw.ssim == pytest.approx(1.0, abs=1e-5)
    assert report.raw.silhouette_iou == 1.0


def test_a_turned_object_is_wrong_as_it_stands_and_right_after_the_best_turn():
    caption, turned_by_deg = "a blue robot", 52.0
    report = evaluate_against_toybox(_renderer(caption, turned_by_deg), caption)
    # The result shows at azimuth 0 what the object shows at -52.
    assert report.turn_deg == pytest.approx(-turned_by_deg, abs=0.5)
    assert report.raw.psnr < 18
    assert report.turned.psnr > 60
    assert report.turned.silhouette_iou > 0.999
    assert report.label == "ok"


def test_a_small_error_costs_what_psnr_says():
    def render(cameras):
        rgb, alpha = _renderer("a red car")(cameras)
        return (rgb - 0.01).abs(), alpha

    report = evaluate_against_toybox(render, "a red car")
    assert report.raw.psnr == pytest.approx(40.0, abs=0.1)


def test_saturation_is_measured_against_that_of_the_turned_object():
    true = _renderer("an orange cat", turned_by_deg=30.0)

    def gray(cameras):
        rgb, alpha = true(cameras)
        return rgb.mean(dim=-1, keepdim=True).expand_as(rgb), alpha

    assert evaluate_against_toybox(true, "an orange cat").saturation_excess == pytest.approx(0.0, abs=1e-6)
    assert evaluate_against_toybox(gray, "an orange cat").saturation_excess < -0.2
    # Kept truths are those of their own prompt.
    assert evaluate_against_toybox(true, "a white cat").turned.psnr < 25


def test_an_empty_result_is_unrecognizable():
    def render(cameras):
        shape = (len(cameras), cameras.height, cameras.width)
        return torch.ones(*shape, 3), torch.zeros(*shape, 1)

    report = evaluate_against_toybox(render, "a green frog")
    assert report.label == "unrecognizable"
    assert report.raw.silhouette_iou == 0


def test_held_out_cameras_are_sixteen_all_round_and_off_every_grid():
    cameras = held_out_cameras()
    assert len(cameras) == 16
    gaps = cameras.azimuth_deg.sort().values.diff()
    assert gaps.max() < 60
    assert ((cameras.azimuth_deg.remainder(15) > 0.2) & (cameras.azimuth_deg.remainder(15) < 14.8)).all()
    assert cameras.elevation_deg.min() > -10
    assert cameras.elevation_deg.max() < 45
