"""The score knows true images and is not fooled by noise."""

from dataclasses import replace

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace
from splatdream.toybox.vocabulary import ToyboxCaption
from splatdream.toybox_training.captions import dressed_captions, view_words
from splatdream.toybox_training.scoring import ScoreGrid, Wanted, judge, summary

GRID = ScoreGrid(16, 8, (0.0, 30.0, 75.0), ("cat", "car", "house", "robot"), ("red", "green", "blue", "white"))
VIEWS = {"front": (0.0, 0.0), "side": (30.0, 90.0), "back": (30.0, 180.0), "overhead": (75.0, 0.0)}


def true_images(captions):
    elevations, azimuths = zip(*VIEWS.values(), strict=True)
    cameras = orbit_cameras(elevations, azimuths, width=64, height=64)
    grounds = torch.tensor([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [1.0, 1.0, 1.0], [0.3, 0.3, 0.3]])
    return torch.cat([composite(trace(build_scene(c), cameras), grounds) for c in captions]).movedim(-1, 1)


def test_true_images_are_all_right():
    captions = [
        ToyboxCaption("cat", "red"),
        ToyboxCaption("robot", "blue"),
        ToyboxCaption("car", "white", "hat", "green"),
    ]
    wanted = [
        Wanted(ToyboxCaption(c.object_name, c.color, c.accessory, c.accessory_color, v))
        for c in captions
        for v in VIEWS
    ]
    result = summary(judge(true_images(captions), wanted, GRID))
    assert [result[name] for name in ("object", "color", "object_and_color", "view")] == [1, 1, 1, 1]
    assert result["accessory"] == 1


def test_true_views_are_right_by_camera_and_wrong_when_turned_round():
    caption = ToyboxCaption("house", "green")
    images = true_images([caption])[:3]
    azimuths = [view[1] for view in list(VIEWS.values())[:3]]
    right = judge(images, [Wanted(caption, azimuth) for azimuth in azimuths], GRID)
    turned = judge(images, [Wanted(caption, azimuth + 180) for azimuth in azimuths], GRID)
    assert summary(right)["view"] == 1
    assert summary(turned)["view"] == 0


@pytest.mark.slow
def test_true_images_between_the_directions_of_the_grid_are_nearly_all_right():
    # The figures of docs/toybox-priors.md.
    generator = torch.Generator().manual_seed(1)
    captions = dressed_captions(held_out=True)
    images, wanted = [], []
    for place in torch.randperm(len(captions), generator=generator)[:36].tolist():
        azimuth, height = torch.rand(2, generator=generator).tolist()
        camera = orbit_cameras([70 * height - 10], [360 * azimuth - 180], width=64, height=64)
        images.append(composite(trace(build_scene(captions[place]), camera), torch.ones(1, 3)).movedim(-1, 1))
        wanted.append(Wanted(replace(captions[place], view_word=view_words(camera)[0])))
    result = summary(judge(torch.cat(images), wanted))
    assert result["object_and_color"] == 1
    assert result["view"] == pytest.approx(0.97, abs=0.01)
    assert result["accessory"] == pytest.approx(0.92, abs=0.01)


def test_noise_is_right_by_chance_only():
    generator = torch.Generator().manual_seed(0)
    wanted = [Wanted(ToyboxCaption(name, color)) for name in GRID.objects for color in GRID.colors]
    result = summary(judge(torch.rand(16, 3, 16, 16, generator=generator), wanted, GRID))
    # Each of the 16 captions once: an answer that does not depend on the caption is right about one in 16.
    assert result["object_and_color"] <= 3 / 16
    assert result["view"] is None


def test_frontless_objects_have_no_right_view():
    wanted = [Wanted(ToyboxCaption("sphere", "red", view_word="front"))]
    assert summary(judge(torch.ones(1, 3, 16, 16), wanted, GRID))["view"] is None
