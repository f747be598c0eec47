"""The table of the second stage."""

import pytest
from splatdream.experiments.mesh_table import make_mesh_table, mesh_table_text


def row(psnr: float, is_watertight: bool = True) -> dict[str, object]:
    return {
        "chamfer": 0.01,
        "normal_consistency": 0.9,
        "silhouette_iou": 0.95,
        "is_watertight": is_watertight,
        "seam_difference": 0.3,
        "psnr": psnr,
        "psnr_inside": psnr + 1,
    }


def test_a_line_compares_before_and_after_and_means_are_by_refinement():
    rows = {
        "cat/sds/baked": row(20.0),
        "cat/sds/refined": row(22.0),
        "car/sds/baked": row(10.0),
        "car/sds/refined": row(14.0, is_watertight=False),
        "cat/denoise/baked": row(20.0),
        "cat/denoise/refined": row(21.0),
    }
    lines = mesh_table_text(rows).splitlines()
    assert lines[2] == "| cat | sds | 0.0100 | 0.900 | 0.950 | yes | 0.30 | 20.0 | 22.0 | 21.0 | 23.0 |"
    assert lines[5] == "| mean of 2 | sds | 0.0100 | 0.900 | 0.950 | 50% | 0.30 | 15.0 | 18.0 | 16.0 | 19.0 |"
    assert lines[6].startswith("| mean of 1 | denoise |")


def test_unknown_objects_are_named_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="unicorn"):
        make_mesh_table(lambda _: pytest.fail("ran"), "c.yaml", {"sds": "t.yaml"}, str(tmp_path), ["unicorn"])
