import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from splatdream.embedded_host.saving import SaverMixin


@pytest.fixture
def saver(tmp_path):
    saver = SaverMixin()
    saver.set_save_dir(str(tmp_path / "save"))
    return saver


def pixels(path):
    return np.asarray(Image.open(path))


def test_an_image_is_clipped_to_its_range_and_keeps_its_orientation(saver):
    image = torch.zeros(2, 3, 3)
    image[0, 0] = torch.tensor([2.0, 0.5, -1.0])
    saved = pixels(saver.save_rgb_image("a/b.png", image))
    assert saved.shape == (2, 3, 3)
    assert saved[0, 0].tolist() == [255, 127, 0]
    assert pixels(saver.save_rgb_image("c.png", image.permute(2, 0, 1), data_format="CHW")).tolist() == saved.tolist()


def test_seven_channels_become_three_images_side_by_side(saver):
    assert pixels(saver.save_rgb_image("x.png", torch.ones(4, 5, 7))).shape == (4, 15, 3)


def test_a_grid_has_rows_and_columns_of_one_size(saver):
    small = {"type": "rgb", "img": torch.ones(4, 4, 3), "kwargs": {}}
    large = {"type": "grayscale", "img": torch.rand(8, 6), "kwargs": {"cmap": None, "data_range": (0, 1)}}
    assert pixels(saver.save_image_grid("g.png", [small, large])).shape == (8, 12, 3)
    assert pixels(saver.save_image_grid("h.png", [[small, small], [small, small]])).shape == (8, 8, 3)
    assert pixels(saver.save_image_grid("i.png", [small, large], align="min")).shape == (4, 8, 3)


def test_jet_runs_from_blue_over_green_to_red(saver):
    saved = pixels(saver.save_grayscale_image("j.png", torch.tensor([[0.0, 0.5, 1.0]])))[0]
    assert saved.argmax(axis=-1).tolist() == [2, 1, 0]


def test_a_video_has_its_frames_in_the_order_of_their_numbers(saver):
    for number in (10, 9, 1):
        saver.save_rgb_image(f"frames/{number}.png", torch.full((16, 16, 3), number / 20))
    path = saver.save_img_sequence("turn", "frames", r"(\d+)\.png", save_format="gif")
    frames = Image.open(path)
    brightness = []
    for index in range(frames.n_frames):
        frames.seek(index)
        brightness.append(np.asarray(frames.convert("RGB")).mean())
    assert brightness == sorted(brightness) and len(brightness) == 3
    assert os.path.getsize(saver.save_img_sequence("turn.mp4", "frames", r"(\d+)\.png")) > 0


def test_a_video_of_nothing_is_an_error(saver):
    saver.save_rgb_image("frames/a.png", torch.zeros(2, 2, 3))
    with pytest.raises(FileNotFoundError, match="frames"):
        saver.save_img_sequence("turn", "frames", r"(\d+)\.png")


def test_data_comes_back(saver, tmp_path):
    assert np.load(saver.save_data("d", {"x": torch.arange(3)}))["x"].tolist() == [0, 1, 2]
    assert np.load(saver.save_data("e", torch.arange(3))).tolist() == [0, 1, 2]
    assert json.loads(Path(saver.save_json("f.json", {"x": [1]})).read_text()) == {"x": [1]}
    source = tmp_path / "source.txt"
    source.write_text("words")
    assert Path(saver.save_file("copy/target.txt", str(source))).read_text() == "words"


def test_a_system_without_a_folder_says_so():
    with pytest.raises(ValueError, match="set_save_dir"):
        SaverMixin().save_json("x.json", {})
