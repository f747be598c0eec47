"""`splatdream evaluate`: what it writes, and one sentence for what it cannot judge."""

import json

import pytest
import torch
import trimesh
from splatdream.commands import evaluate
from splatdream.commands.main import main
from splatdream.gaussians.ply import write_ply
from splatdream.gaussians.splat_file import write_splat
from splatdream.scenes.sources import surface_cloud


@pytest.fixture(scope="module")
def cloud():
    return surface_cloud("an orange cat")


def _evaluate(path, folder, *more):
    assert main(["evaluate", str(path), "--prompt", "a wooden chair", "--output", str(folder), *more]) == 0
    return json.loads((folder / "evaluation.json").read_text())


def test_an_unknown_prompt_without_a_judge_is_unsure_and_still_measured(cloud, tmp_path, capsys):
    path = write_ply(tmp_path / "cloud.ply", cloud)
    record = _evaluate(path, tmp_path / "out")
    assert record["verdict"] == "unsure"
    assert record["truth"] is None
    assert record["file"] == {"bytes": path.stat().st_size, "gaussians": len(cloud)}
    assert 0 < record["appearance"]["saturation"] < 1
    assert record["basis"]["judges"] == []
    assert (tmp_path / "out" / "verdict.png").stat().st_size > 10_000
    assert "cloud.ply: unsure" in capsys.readouterr().out


def test_a_toybox_prompt_is_compared_with_the_true_object(cloud, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "JUDGES", ())
    path = write_splat(tmp_path / "cloud.splat", cloud)
    assert main(["evaluate", str(path), "--prompt", "an orange cat", "--output", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["verdict"] == record["truth"]["class"] == "ok"
    assert record["without_truth"]["verdict"] == "unsure"
    assert capsys.readouterr().out.startswith("cloud.splat: ok, one front")


def test_a_large_mesh_that_stands_elsewhere_is_seen_whole(tmp_path):
    mesh = trimesh.creation.icosphere(radius=37)
    mesh.apply_translation([100, 0, 5])
    mesh.export(tmp_path / "ball.glb")
    record = _evaluate(tmp_path / "ball.glb", tmp_path / "out")
    # Files have y up and the front toward +z: (x, y, z) of the file is (z, x, y) of the world.
    assert record["file"]["center"] == pytest.approx([5, 100, 0], abs=1)
    assert 0.1 < record["appearance"]["coverage"] < 0.4
    assert record["similarity_by_turn_deg"]["180"] > 0.9


def test_the_newest_export_of_a_run_is_taken(cloud, tmp_path):
    for step in (90, 1000):
        folder = tmp_path / "save" / f"it{step}-export"
        folder.mkdir(parents=True)
        write_ply(folder / "cloud.ply", cloud)
    (tmp_path / "save" / "it1000-export" / "mesh.glb").touch()
    assert evaluate.newest_export(tmp_path) == tmp_path / "save" / "it1000-export" / "cloud.ply"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.ply", "--prompt", "a chair"], "there is no asset at missing.ply"),
        (["{folder}", "--prompt", "a chair"], "holds no export"),
        (["{points}", "--prompt", "a chair"], "has no faces"),
        (["{cloud}", "--prompt", " ?! "], "has no words"),
        (["{cloud}", "--prompt", "a red cat", "--prior", "toybox-ds"], "did you mean 'toybox-sd'"),
        (["{cloud}", "--prompt", "a chair", "--prior", "toybox-sd"], "reads only the toybox's words"),
    ],
)
def test_what_cannot_be_judged_gets_one_sentence(arguments, message, cloud, tmp_path, capsys):
    trimesh.PointCloud(torch.rand(9, 3).numpy()).export(tmp_path / "points.ply")
    places = {
        "folder": tmp_path / "empty",
        "points": tmp_path / "points.ply",
        "cloud": write_ply(tmp_path / "cloud.ply", cloud),
    }
    places["folder"].mkdir()
    assert main(["evaluate", *(argument.format(**places) for argument in arguments)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("option", [("--views", "-12"), ("--noises", "0")])
def test_a_number_of_views_or_noises_that_cannot_be_is_refused_by_the_parser(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "cloud.ply", "--prompt", "a chair", *option])
    assert f"argument {option[0]}: '{option[1]}' must be a whole number" in capsys.readouterr().err
