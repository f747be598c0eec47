"""`splatdream evaluate FOLDER` of views with cameras: by their own cameras, and silent on what they do not show."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from splatdream.cameras.batch import orbit_cameras
from splatdream.commands import evaluate
from splatdream.commands.main import main
from splatdream.evaluation.given_views import GivenViews, given_views
from splatdream.photographs.folder import PhotographSet, read_photographs
from splatdream.photographs.orbits import ORBITS
from splatdream.photographs.posed_images import PosedImages
from splatdream.photographs.transforms_file import write_views
from splatdream.toybox.photographs import photographed, spiral_cameras

CAT = "an orange cat"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("views")
    command = ["toybox", "photograph", CAT, "--views", "24", "--held-out", "16", "--size", "64"]
    assert main([*command, "--output", str(path)]) == 0
    return path


def judged(folder: Path, output: Path, *more: str, prompt: str = CAT) -> dict:
    assert main(["evaluate", str(folder), "--prompt", prompt, "--output", str(output), *more]) == 0
    return json.loads((output / "evaluation.json").read_text())


@pytest.fixture(autouse=True)
def without_judges(monkeypatch):
    monkeypatch.setattr(evaluate, "JUDGES", ())


def test_views_of_the_true_object_are_the_true_object(folder, tmp_path, capsys):
    record = judged(folder, tmp_path)
    assert record["verdict"] == record["truth"]["class"] == "ok"
    assert record["file"] == {"views": 40}
    assert record["truth"]["turn_deg"] == 0
    # The images are those of the truth, by the same cameras, but for 8 bits and the fit of a center.
    assert record["truth"]["raw"]["psnr"] > 35
    assert set(record["similarity_by_turn_deg"]) == {"90", "120", "180"}
    assert record["basis"]["unmeasured"] == [] and 5 < record["basis"]["largest_angle_deg"] < 25
    assert (tmp_path / "verdict.png").stat().st_size > 10_000
    assert capsys.readouterr().out.startswith(f"{folder.name}: ok, one front")


def test_a_turned_world_is_a_turned_object(folder, tmp_path):
    turn = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    content = json.loads((folder / "transforms.json").read_text())
    for frame in content["frames"]:
        frame["file_path"] = str(folder / frame["file_path"])
        frame["transform_matrix"] = (turn @ np.array(frame["transform_matrix"])).tolist()
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    truth = judged(tmp_path, tmp_path / "out")["truth"]
    # What was seen from azimuth a is now seen from a + 90.
    assert truth["turn_deg"] == -90 and truth["turned"]["psnr"] > 35 and truth["class"] == "ok"


def test_four_sides_leave_the_rest_unmeasured_and_say_so(tmp_path, capsys):
    cameras = ORBITS["mvdream"].cameras(64, 64)
    for place, rgba in enumerate(photographed(CAT, cameras)):
        Image.fromarray(rgba.numpy()).save(tmp_path / f"{place}.png")
    record = judged(tmp_path, tmp_path / "out", "--orbit", "mvdream")
    assert record["verdict"] == "unsure" and record["truth"] is None
    assert record["measures"] == {} and record["similarity_by_turn_deg"] is None
    assert 0.3 < record["appearance"]["saturation"] < 1
    said = capsys.readouterr().out
    assert "not measured: front arcs and likeness after turns: no 12 views once round" in said
    assert "not measured: comparison with the true object" in said
    assert "camera gap" not in said  # four sides are there


def test_the_nearest_view_stands_for_a_camera_unless_another_camera_needs_it():
    given = orbit_cameras([15.0] * 4, [0.0, 88.0, 181.0, 266.0])
    views = GivenViews(torch.zeros(4, 8, 8, 3), torch.zeros(4, 8, 8, 1), given)
    sides = orbit_cameras([15.0] * 4, [270.0, 180.0, 90.0, 0.0])
    assert views.nearest(sides).tolist() == [3, 2, 1, 0]
    # A turn about the vertical axis at elevation 15 is a little less of an angle.
    assert views.angles_deg(sides).tolist() == pytest.approx([3.86, 0.97, 1.93, 0], abs=0.05)
    assert views.stand_for(sides)
    assert not views.stand_for(orbit_cameras([15.0] * 2, [0.0, 10.0]))
    assert not views.stand_for(orbit_cameras([15.0], [45.0]))


def test_oblong_views_become_square_and_a_plain_ground_white():
    cameras = orbit_cameras([0.0, 0.0], [0.0, 90.0], width=40, height=20)
    rgba = torch.full((2, 20, 40, 4), 128, dtype=torch.uint8)
    rgba[..., 3] = 255
    rgba[:, 5:15, 10:30, :3] = torch.tensor([200, 0, 0], dtype=torch.uint8)
    photographs = PhotographSet(PosedImages(rgba, cameras, ("a", "b")), None, torch.eye(3), torch.zeros(3), 1.0)
    views = given_views(photographs, "folder")
    torch.testing.assert_close(views.cameras.Ks[:, 1, 1], cameras.Ks[:, 1, 1])
    assert views.rgb.shape == (2, 40, 40, 3) and float(views.alpha.sum()) == 2 * 10 * 20
    assert (views.rgb[:, :15] == 1).all() and (views.rgb[0, 20, 20] == torch.tensor([200 / 255, 0, 0])).all()


def test_what_no_view_can_tell_is_refused_in_one_sentence(tmp_path, capsys):
    cameras = spiral_cameras(4, 64)
    rgba = photographed(CAT, cameras)
    noise = torch.randint(0, 255, rgba.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    opaque = torch.where(rgba[..., 3:] > 128, rgba, noise)
    opaque[..., 3] = 255
    names = tuple(f"{place}.png" for place in range(4))
    write_views(tmp_path / "street", PosedImages(opaque, cameras, names))
    small = spiral_cameras(4, 24)
    write_views(tmp_path / "small", PosedImages(photographed(CAT, small), small, names))
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("street", "neither alpha nor one plain ground"),
        ("small", "have 24 pixels along their longer side, and need 64"),
        ("empty", "holds no export (it<STEP>-export/cloud.ply) and no cameras"),
    ):
        assert main(["evaluate", str(tmp_path / name), "--prompt", CAT]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_the_held_out_views_of_a_folder_are_judged_too(folder):
    assert len(given_views(read_photographs(folder, hold_out_every=0), "folder").rgb) == 40
