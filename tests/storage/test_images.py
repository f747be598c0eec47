import numpy as np
import pytest
import torch
from PIL import Image
from splatdream.export.contact_sheet import contact_sheet
from splatdream.storage.images import to_uint8, write_png


def test_levels_round_to_the_nearest_and_clip():
    values = torch.tensor([-0.2, 0.0, 0.4999 / 255, 0.5001 / 255, 127.4 / 255, 1.0, 3.0])
    expected = [0, 0, 0, 1, 127, 255, 255]
    assert to_uint8(values[:, None, None].expand(-1, 1, 3))[:, 0, 0].tolist() == expected


def test_every_8_bit_level_survives_a_round_trip_through_a_png(tmp_path):
    levels = torch.arange(256, dtype=torch.float32) / 255
    image = torch.stack([levels, levels.flip(0), levels.roll(7)], dim=-1).reshape(16, 16, 3)
    write_png(tmp_path / "image.png", image)
    loaded = np.asarray(Image.open(tmp_path / "image.png"))
    np.testing.assert_array_equal(loaded, (image * 255).round().numpy().astype(np.uint8))


def test_nan_is_an_error_and_writes_nothing(tmp_path):
    image = torch.zeros(4, 4, 3)
    image[1, 2, 0] = torch.nan
    with pytest.raises(ValueError, match="1 values that are not finite"):
        write_png(tmp_path / "image.png", image)
    assert list(tmp_path.iterdir()) == []


def test_every_image_stands_unchanged_in_its_row_and_column():
    images = torch.rand(2, 3, 8, 10, 3, generator=torch.Generator().manual_seed(0))
    sheet = contact_sheet(images, ["", ""], ["", "", ""])
    assert sheet.shape == (4 + 2 * (8 + 4), 4 + 3 * (10 + 4), 3)
    for row in range(2):
        for column in range(3):
            top, left = 4 + row * 12, 4 + column * 14
            cell = sheet[top : top + 8, left : left + 10]
            assert (cell - images[row, column]).abs().max() <= 0.5 / 255 + 1e-6


def test_labels_are_dark_letters_on_white_outside_the_images():
    images = torch.ones(2, 8, 32, 32, 3)
    plain = contact_sheet(images, [""] * 2, [""] * 8)
    labeled = contact_sheet(images, ["elevation 0"] * 2, [f"azimuth {45 * i}" for i in range(8)], title="a cat")
    assert (plain == 1).all()
    assert labeled.shape[0] > plain.shape[0]
    assert labeled.shape[1] > plain.shape[1]
    assert labeled.min() < 0.3


def test_a_label_is_never_cut_by_a_narrow_image():
    # The longest word sets the width of a column, so every column holds the same ink as one with room.
    images = torch.ones(1, 3, 4, 4, 3)
    narrow = contact_sheet(images, [""], ["unbelievably"] * 3)
    wide = contact_sheet(torch.ones(1, 1, 4, 200, 3), [""], ["unbelievably"])
    torch.testing.assert_close((1 - narrow).sum(), 3 * (1 - wide).sum(), rtol=0.02, atol=0)


def test_zoom_makes_squares_of_pixels():
    images = torch.rand(1, 1, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    sheet = contact_sheet(images, [""], [""], zoom=3)[4:-4, 4:-4]
    torch.testing.assert_close(sheet[1::3, 1::3], images[0, 0], atol=0.5 / 255 + 1e-6, rtol=0)
    assert torch.equal(sheet[::3, ::3], sheet[2::3, 2::3])


def test_a_missing_label_is_an_error_that_counts():
    with pytest.raises(ValueError, match="2 rows and 3 columns of images need as many labels, got 1"):
        contact_sheet(torch.ones(2, 3, 4, 4, 3), ["one"], ["a", "b", "c"])
