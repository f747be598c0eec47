"""A field survives its file; what is no field is refused."""

import pytest
import torch
from known_fields import black_and_white_sphere
from safetensors.torch import save_file
from splatdream.cameras.batch import orbit_cameras
from splatdream.fields.field_file import read_field, write_field
from splatdream.fields.view_rendering import render_views


def test_what_is_read_looks_like_what_was_written(tmp_path):
    volume = black_and_white_sphere()
    volume.after_step(0)
    path = tmp_path / "field.safetensors"
    write_field(path, volume)
    cameras = orbit_cameras([10.0], [30.0], width=16, height=16)
    written, read = (render_views(one, cameras, torch.ones(1, 3)) for one in (volume, read_field(path)))
    assert torch.equal(written[0], read[0]) and written[1].max() > 0.9


def test_other_files_are_refused_in_one_sentence(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors holds no field; such a file"):
        read_field(tmp_path / "other.safetensors")
    (tmp_path / "short.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    with pytest.raises(ValueError, match=r"short.safetensors cannot be read"):
        read_field(tmp_path / "short.safetensors")
