"""The table of the toybox: what is made again, and what its lines say."""

from pathlib import Path

from splatdream.experiments import toybox_table
from splatdream.experiments.toybox_table import make_table, table_text

TINY = str(Path(__file__).parents[2] / "configs" / "tiny.yaml")


def row(psnr: float, label: str = "ok") -> dict[str, object]:
    shares = dict.fromkeys(("ssim", "iou", "ssim_turned", "iou_turned"), 0.5)
    return {"psnr": psnr, "psnr_turned": psnr + 1, "turn_deg": 0.0, "yaw_error_deg": 0.0, "class": label} | shares


def test_a_changed_override_or_condition_is_run_again_and_the_same_is_not(tmp_path, monkeypatch):
    ran = []

    def execute(arguments, log):
        ran.append(log.parent.name.rpartition("-")[0])
        (log.parent / "save").mkdir()
        return 0

    def make(*overrides, conditions=("camera",)):
        ran.clear()
        make_table(execute, TINY, str(tmp_path), ["cat"], conditions, None, overrides)
        return ran

    monkeypatch.setattr(toybox_table, "_measure", lambda prompt, result: row(20.0))
    assert make() == ["cat_camera"]
    assert make() == []
    assert make("system.geometry.num_points=50") == ["cat_camera"]
    assert make(conditions=("camera", "view_words")) == ["cat_view_words"]
    assert make("trainer.log_every_n_steps=3", "system.geometry.num_points=50") == []


def test_conditions_are_averaged_and_compared_over_the_objects_that_have_both():
    rows = {"cat/camera": row(20.0), "car/camera": row(10.0, "repeated"), "cat/view_blind": row(15.0)}
    lines = table_text(rows, ("camera", "view_blind")).splitlines()
    assert lines[2] == "| cat | camera | 20.0 | 0.500 | 0.500 | 21.0 | 0.500 | 0.500 | 0 | 0 | ok |"
    assert "| camera | 2 | 15.0 | 0.500 | 0.500 | 16.0 | 0.500 | 0 | 1 ok, 1 repeated |" in lines
    assert lines[-1] == (
        "PSNR of camera minus view_blind, paired over 1 objects, 95 % interval: "
        "raw +5.0 dB [+5.0, +5.0]; turned +5.0 dB [+5.0, +5.0]"
    )
