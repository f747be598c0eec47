"""Pictures of an object: what is read, and what is refused in one sentence."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from splatdream.storage import pictures
from splatdream.storage.pictures import read_picture, write_picture


def save(path, rgba, mode="RGBA"):
    Image.fromarray(np.asarray(rgba, dtype=np.uint8)).convert(mode).save(path)
    return path


def half(height, width):
    """Opaque green on the left, transparent red on the right."""
    rgba = np.zeros((height, width, 4))
    rgba[:, : width // 2] = (0, 255, 0, 255)
    rgba[:, width // 2 :] = (255, 0, 0, 0)
    return rgba


def test_what_is_transparent_has_no_color(tmp_path):
    rgba = read_picture(save(tmp_path / "half.png", half(4, 4)))
    assert torch.equal(rgba[:, :2], torch.tensor([0.0, 1, 0, 1]).expand(4, 2, 4))
    assert not rgba[:, 2:].any()


def test_a_written_picture_is_read_back(tmp_path, generator):
    alpha = torch.rand(9, 9, 1, generator=generator)
    rgba = torch.cat([alpha * torch.rand(9, 9, 3, generator=generator), alpha], dim=-1)
    rgba[0] = 0
    write_picture(tmp_path / "new" / "toy.png", rgba)
    torch.testing.assert_close(read_picture(tmp_path / "new" / "toy.png"), rgba, atol=1.01 / 255, rtol=0)


def test_a_picture_stands_as_its_camera_was_held(tmp_path):
    path = save(tmp_path / "held.png", half(4, 4))
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 3  # upside down
        image.save(path, exif=exif)
    assert read_picture(path)[..., 3].sum(0).tolist() == [0, 0, 4, 4]


def test_a_wide_picture_stands_in_the_middle_of_a_square(tmp_path):
    rgba = read_picture(save(tmp_path / "wide.png", half(2, 6)))
    assert rgba.shape == (6, 6, 4)
    assert rgba[2:4, :3, 3].eq(1).all() and rgba[..., 3].sum() == 6


@pytest.mark.parametrize("fill", [0.5, 0.8, 1.0])
def test_a_fill_moves_the_object_to_the_middle_and_gives_it_that_share_of_the_side(tmp_path, fill):
    rgba = np.zeros((50, 60, 4))
    rgba[3:11, 40:60] = 255
    alpha = read_picture(save(tmp_path / "corner.png", rgba), fill)[..., 3]
    assert alpha.shape[0] == alpha.shape[1] == round(20 / fill)
    rows, columns = alpha.any(1).nonzero()[:, 0], alpha.any(0).nonzero()[:, 0]
    assert len(rows) == 8 and len(columns) == 20
    for places in (rows, columns):
        assert abs(float(places.float().mean()) - (len(alpha) - 1) / 2) <= 0.5


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png is not there"):
        read_picture(tmp_path / "none.png")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"no picture"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"photo\.png is no picture that can be read"):
        read_picture(path)


def test_half_a_file_is_refused(tmp_path):
    path = save(tmp_path / "cut.png", half(64, 64))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"cut\.png is no picture that can be read"):
        read_picture(path)


def test_a_picture_beyond_reason_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = save(tmp_path / "large.png", half(64, 2))
    monkeypatch.setattr(pictures, "LARGEST_SIDE", 63)
    monkeypatch.setattr(PngImageFile, "load", lambda self: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match=r"has 2 x 64 pixels; scale it down, to at most 63 a side"):
        read_picture(path)


def test_an_empty_alpha_channel_shows_no_object(tmp_path):
    with pytest.raises(ValueError, match=r"shows no object: 0 of its 64 pixels are opaque"):
        read_picture(save(tmp_path / "empty.png", np.zeros((8, 8, 4))))


@pytest.mark.parametrize(("name", "mode"), [("photo.jpg", "RGB"), ("opaque.png", "RGBA"), ("gray.png", "L")])
def test_a_picture_without_transparency_asks_for_an_alpha_channel_or_rembg(tmp_path, monkeypatch, name, mode):
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(ValueError, match=r"no transparent background; give a PNG whose alpha .* pip install 'rembg"):
        read_picture(save(tmp_path / name, np.full((8, 8, 4), 255), mode))


def test_rembg_finds_the_object_where_it_is_installed_and_is_asked_once(tmp_path, monkeypatch):
    asked = []

    def remove(image):
        asked.append(image.mode)
        found = image.convert("RGBA")
        found.putalpha(Image.fromarray(np.eye(8, dtype=np.uint8) * 255))
        return found

    monkeypatch.setitem(sys.modules, "rembg", ModuleType("rembg"))
    sys.modules["rembg"].remove = remove
    path = save(tmp_path / "photo.png", np.full((8, 8, 4), 255), "RGB")
    first, second = read_picture(path), read_picture(path)
    assert torch.equal(first[..., 3], torch.eye(8)) and torch.equal(first, second)
    assert asked == ["RGB"]
