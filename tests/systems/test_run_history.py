"""What a page about a run reads of its folder."""

import torch
from splatdream.cameras.evaluation import contact_sheet_cameras
from splatdream.export.summary_page import Pictures, RunSummary
from splatdream.systems.run_history import curves, files, validation_pictures
from splatdream.systems.true_views import with_truth
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import composite, trace


def test_a_resumed_run_has_one_curve_that_skips_what_is_no_number(tmp_path):
    for version, rows in ((2, "9,,\n9,0.5,100\n19,nan,100\n"), (10, "19,0.25,200\n29,0.125,200\n")):
        folder = tmp_path / "csv_logs" / f"version_{version}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text("step,train/loss,train/num_gaussians\n" + rows)
    loss, number = curves(tmp_path)
    assert (loss.label, loss.steps, loss.values) == ("Loss", [10, 20, 30], [0.5, 0.25, 0.125])
    assert (number.label, number.values) == ("Number of gaussians", [100, 200, 200])


def test_many_validation_pictures_are_thinned_out_between_the_first_and_the_last(tmp_path):
    for step in range(100, 10100, 100):
        (tmp_path / f"it{step}-validation.png").write_bytes(str(step).encode())
    found = validation_pictures(tmp_path)
    assert len(found) == 12 and list(found) == sorted(found) and {100, 10000} <= set(found)
    assert all(content == str(step).encode() for step, content in found.items())


def test_every_file_of_a_run_is_listed_from_where_the_page_is(tmp_path):
    for name in ("cmd.txt", "ckpts/last.ckpt", "save/it1-test.html", "save/it1-export/cloud.ply"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"123")
    listed = files(tmp_path, tmp_path / "save" / "it1-test.html")
    assert listed == {"it1-export/cloud.ply": 3, "../ckpts/last.ckpt": 3, "../cmd.txt": 3}


def test_a_toybox_prompt_brings_its_true_object_and_a_true_object_has_a_straight_yaw_map():
    cameras = contact_sheet_cameras([15.0, 45.0], 8, 2.5, 49.1, 32)
    truth = composite(trace(build_scene("an orange cat"), cameras), torch.ones(16, 3)).reshape(2, 8, 32, 32, 3)
    summary = with_truth(RunSummary("an orange cat", Pictures(truth, ["15", "45"], ["x"] * 8)), cameras)
    assert torch.equal(summary.pictures.truth, truth)
    assert summary.yaw.words.startswith("ok")
    torch.testing.assert_close(
        torch.tensor(summary.yaw.matched_azimuth_deg).remainder(360), torch.tensor(summary.yaw.azimuth_deg)
    )
    unknown = RunSummary("a cat on the moon", summary.pictures)
    assert with_truth(unknown, cameras) is unknown
