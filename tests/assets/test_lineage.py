"""What a file's own run says about it."""

import pytest
from splatdream.assets.lineage import source_pixel
from splatdream.startup.registration import register_all

CONFIG = """
data_type: splatdream-camera-datamodule
data: {height: [%d], width: [%d], fovy_range_deg: [90, 90], distance_range: [2, 2]}
system: {exporter: {blurred_formats: [%s]}}
"""


@pytest.fixture
def trial(tmp_path):
    register_all()
    (tmp_path / "configs").mkdir()
    write(tmp_path, 32)
    return tmp_path


def write(trial, height: int, blurred: str = "") -> None:
    (trial / "configs" / "parsed.yaml").write_text(CONFIG % (height, height, blurred))


def test_the_pixel_of_training_follows_the_height_of_the_data(trial):
    for path in ("ckpts/last.ckpt", "save/it9-export/cloud.ply"):
        for height in (32, 64):
            write(trial, height)
            assert source_pixel(trial / path) == pytest.approx(4 / height), path


def test_a_file_that_is_blurred_already_is_not_blurred_again(trial):
    assert source_pixel(trial / "save/it9-export/cloud.compressed.ply") == 0
    write(trial, 32, blurred="ply")
    assert source_pixel(trial / "save/it9-export/cloud.ply") == 0
    assert source_pixel(trial / "ckpts/last.ckpt") > 0


def test_a_file_outside_of_a_run_is_taken_as_it_is(tmp_path):
    assert source_pixel(tmp_path / "cloud.ply") == 0
