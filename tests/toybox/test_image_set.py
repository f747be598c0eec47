import dataclasses
import os

import numpy as np
import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.toybox import image_cache
from splatdream.toybox.image_cache import cached_image_set
from splatdream.toybox.image_set import (
    ImageSetRecipe,
    make_image_set,
    sample_photo_directions,
    unconditional_captions,
)
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import trace
from splatdream.toybox.vocabulary import COLORS, OBJECTS, parse_caption

CAT = ImageSetRecipe((parse_caption("an orange cat"),), num_images=20, size=16)


def _assert_equal(a, b):
    for field in dataclasses.fields(a):
        torch.testing.assert_close(getattr(a, field.name), getattr(b, field.name), rtol=0, atol=0)


def test_directions_are_biased_to_the_front_over_the_training_elevations():
    elevation, azimuth = sample_photo_directions(dataclasses.replace(CAT, num_images=2000), np.random.default_rng(0))
    is_overhead = elevation > 60
    assert is_overhead.float().mean() == pytest.approx(0.07, abs=0.002)
    assert elevation.min() >= -10
    assert elevation.max() <= 85
    assert elevation[~is_overhead].max() <= 60
    assert (azimuth.abs() < 45).float().mean() == pytest.approx(0.65, abs=0.002)
    assert (azimuth.abs() > 135).float().mean() == pytest.approx(0.10, abs=0.002)
    assert (azimuth > 0).float().mean() == pytest.approx(0.5, abs=0.002)


def test_every_caption_gets_directions_from_all_round():
    _, azimuth = sample_photo_directions(
        ImageSetRecipe(unconditional_captions()[:24], num_images=480), np.random.default_rng(0)
    )
    for caption in range(24):
        share = (azimuth[caption::24].abs() < 45).float().mean()
        assert share == pytest.approx(0.65, abs=0.11)


def test_images_show_their_caption_from_their_direction():
    recipe = ImageSetRecipe(
        (parse_caption("a red car"), parse_caption("a blue owl")), num_images=7, size=24, distance=3.0, fovy_deg=40.0
    )
    images = make_image_set(recipe)
    assert len(images) == 7
    for index in range(7):
        camera = orbit_cameras(images.elevation_deg[[index]], images.azimuth_deg[[index]], 3.0, 40.0, 24, 24)
        expected = trace(build_scene(recipe.captions[index % 2]), camera)[0]
        assert (images.rgba[index].float() / 255 - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_a_seed_determines_the_set():
    _assert_equal(make_image_set(CAT), make_image_set(CAT))
    other = make_image_set(dataclasses.replace(CAT, seed=1))
    assert (other.azimuth_deg != make_image_set(CAT).azimuth_deg).any()


def test_unconditional_captions_are_every_object_in_every_color():
    captions = unconditional_captions()
    assert len(set(captions)) == len(captions) == len(OBJECTS) * len(COLORS)


def test_recipes_that_cannot_be_made_are_refused():
    with pytest.raises(ValueError, match="at least one caption"):
        ImageSetRecipe(())
    with pytest.raises(ValueError, match="num_images 100"):
        ImageSetRecipe(unconditional_captions(), num_images=100)
    with pytest.raises(ValueError, match="overhead views begin"):
        dataclasses.replace(CAT, elevation_range_deg=(-10.0, 80.0))
    with pytest.raises(ValueError, match="overhead_share"):
        dataclasses.replace(CAT, overhead_share=1.0)


def test_a_set_may_do_without_overhead_views():
    elevation, _ = sample_photo_directions(
        dataclasses.replace(CAT, overhead_share=0.0, elevation_range_deg=(0.0, 30.0)), np.random.default_rng(0)
    )
    assert 0 <= elevation.min() < 3
    assert 27 < elevation.max() <= 30


def test_a_set_is_made_once_and_then_read(tmp_path, monkeypatch):
    made = cached_image_set(CAT, tmp_path)
    monkeypatch.setattr(image_cache, "make_image_set", lambda recipe: pytest.fail("made again"))
    _assert_equal(cached_image_set(CAT, tmp_path), made)


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "here"))
    cached_image_set(CAT)
    assert [path.suffix for path in (tmp_path / "here" / "toybox").iterdir()] == [".images"]


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "longer"])
def test_a_damaged_cache_file_is_replaced(tmp_path, damage):
    made = cached_image_set(CAT, tmp_path)
    (path,) = (tmp_path / "toybox").iterdir()
    sound = path.read_bytes()
    damaged = {"truncated": sound[:-200], "garbage": b"\x00garbage" * 100, "empty": b"", "longer": sound + b"x"}
    path.write_bytes(damaged[damage])
    _assert_equal(cached_image_set(CAT, tmp_path), made)
    assert path.read_bytes() == sound


def test_a_changed_byte_in_the_cache_never_changes_the_images(tmp_path):
    made = cached_image_set(CAT, tmp_path)
    (path,) = (tmp_path / "toybox").iterdir()
    sound = path.read_bytes()
    for place in np.linspace(0, len(sound) - 1, 60).astype(int):
        content = bytearray(sound)
        content[place] ^= 0xFF
        path.write_bytes(content)
        _assert_equal(cached_image_set(CAT, tmp_path), made)


def test_an_unwritable_cache_costs_nothing_but_time(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the cache folder should be")
    _assert_equal(cached_image_set(CAT, blocked), make_image_set(CAT))
    assert "cannot be written" in caplog.text


def test_an_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    cached_image_set(CAT, tmp_path)
    assert list((tmp_path / "toybox").iterdir()) == []


def test_other_recipes_and_other_geometry_have_other_files(tmp_path, monkeypatch):
    cached_image_set(CAT, tmp_path)
    cached_image_set(dataclasses.replace(CAT, seed=1), tmp_path)
    monkeypatch.setattr(image_cache, "build_scene", lambda caption: build_scene("a red cube"))
    cached_image_set(CAT, tmp_path)
    assert len(list((tmp_path / "toybox").iterdir())) == 3


def test_another_version_of_torch_traces_its_own_images(tmp_path, monkeypatch):
    cached_image_set(CAT, tmp_path)
    monkeypatch.setattr(torch, "__version__", "2.1.0")
    cached_image_set(CAT, tmp_path)
    assert len(list((tmp_path / "toybox").iterdir())) == 2


def test_whole_numbers_may_be_written_without_a_point(tmp_path):
    for low, high, distance in ((-10, 60, 3), (-10.0, 60.0, 3.0)):
        cached_image_set(dataclasses.replace(CAT, elevation_range_deg=(low, high), distance=distance), tmp_path)
    assert len(list((tmp_path / "toybox").iterdir())) == 1
