"""A scene's file: what it makes once, and the one sentence for what it cannot mean."""

import json
from pathlib import Path

import pytest
import torch
from splatdream.commands.main import main
from splatdream.gaussians.composition import transform
from splatdream.gaussians.ply import read_ply, write_ply
from splatdream.scenes.plan import read_scene
from splatdream.scenes.sources import surface_cloud

CONFIGS = Path(__file__).parents[2] / "configs"
SCENE = """
config: {tiny}
settings: {{trainer.max_steps: 1, system.exporter.save_video: false, system.exporter.formats: [ply]}}
objects:
  cat: {{prompt: an orange cat}}
  twin: {{prompt: an orange cat, move: [{twin_x}, 0, 0]}}
  cube:
    file: cube.ply
    edits: [{{recolor: blue}}]
    rotate_deg: 90
  copy: {{copy_of: cube, move: [0.1, 0, 0]}}
together:
  prompt: an orange cat wearing a red hat
  settings: {{system.guidance.max_step_fraction: 0.3}}
"""


def scene_file(folder: Path, twin_x: float) -> Path:
    path = folder / "scene.yaml"
    path.write_text(SCENE.format(tiny=CONFIGS / "tiny.yaml", twin_x=twin_x))
    return path


def checkpoints(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("last.ckpt")}


def test_a_scene_is_distilled_composed_and_refined_once(tmp_path, capsys):
    cube = surface_cloud("a red cube", num_views=3, size=12)
    write_ply(tmp_path / "cube.ply", cube)
    out = tmp_path / "out"
    command = ["compose", "--quiet", str(scene_file(tmp_path, 2.0)), "--output", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "cube and copy overlap by" in said and "together" in said
    first = checkpoints(out)
    assert len(first) == 2  # both cats ask for the same run
    record = json.loads((out / "scene.json").read_text())
    assert record["objects"]["cat"]["run"] == record["objects"]["twin"]["run"]
    whole, cat = read_ply(out / "scene.ply"), read_ply(next(out.glob("objects/*/save/it1-export/cloud.ply")))
    sizes = [content["gaussians"] for content in record["objects"].values()]
    assert sizes == [len(cat), len(cat), len(cube), len(cube)] and len(whole) == sum(sizes)
    of_cat, of_twin, of_cube, of_copy = whole.means.split(sizes)
    torch.testing.assert_close(of_twin, of_cat + torch.tensor([2.0, 0, 0]))
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    torch.testing.assert_close(of_cube, transform(cube, turn).means, atol=1e-6, rtol=0)
    # A copy is taken before its original is placed.
    torch.testing.assert_close(of_copy, cube.means + torch.tensor([0.1, 0, 0]))
    assert (out / "scene.png").stat().st_size > 1000

    # Another place asks for the last run anew, and for no other.
    scene_file(tmp_path, 1.5)
    assert main(command) == 0
    again = checkpoints(out)
    assert again.keys() == first.keys()
    assert {path.parts[-4] for path in again if again[path] != first[path]} == {"together"}


@pytest.mark.parametrize("path", sorted((CONFIGS / "scenes").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_scenes_that_are_shipped_can_be_read(path):
    assert read_scene(path).objects


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with a cube, and one that is broken."""
    folder = tmp_path_factory.mktemp("files")
    cube = surface_cloud("a red cube", num_views=3, size=12)
    write_ply(folder / "cube.ply", cube)
    cube.means[0] = torch.nan
    write_ply(folder / "nan.ply", cube)
    return folder


CAT = "objects: {cat: {prompt: an orange cat}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("objects: {}", "has no objects"),
        (f"{CAT}\nobject: 3", "unknown key 'object' in .* (nearest: 'objects')"),
        ("objects: {cat: {prompt: a cat, rotate: 3}}", "unknown key 'rotate' in object 'cat' (nearest: 'rotate_deg')"),
        ("objects: {cat: {prompt: an orange cat}, Cat: {prompt: a red cat}}", "two objects are alike in name"),
        ("objects: {cat: {prompt: an orange cat}, cat: {prompt: a red cat}}", "duplicate key cat"),
        ("objects: {cat: {prompt: a cat, file: cat.ply}}", "has prompt and file; give exactly one of"),
        ("objects: {cat: {scale: 2}}", "has no origin; give exactly one of"),
        ("objects: {cat: {prompt: an orange elk}}", "cat: the toybox does not know the word 'elk'"),
        ("objects: {cat: {prompt: an orange cat, config: quikstart}}", "did you mean 'quickstart'"),
        ("objects: {cat: {prompt: an orange cat, settings: {trainer.max_stps: 3}}}", "max_stps"),
        ("objects: {cat: {file: missing.ply}}", "there is no file or folder 'missing.ply'"),
        ("objects: {cat: {file: nan.ply}}", "nan.ply"),
        ("objects: {cat: {file: 'toybox:a red cube', move: [.nan, 0, 0]}}", "NaN and infinite numbers are no place"),
        ("objects: {cat: {file: 'toybox:a red cube', move: [1, 2]}}", "must be 3 numbers"),
        ("objects: {cat: {file: 'toybox:a red cube', scale: 0}}", "must be a number above 0"),
        ("objects: {cat: {file: 'toybox:a red cube', scale: 1e300}}", "beyond what torch.float32 holds"),
        ("objects: {cat: {copy_of: dog}}", "stands first"),
        ("objects: {cat: {prompt: an orange cat}, dog: {copy_of: cta}}", "unknown object 'cta'"),
        (f"{CAT}\ntogether: {{prompt: an orange cat beside a blue robot}}", "does not know the word 'beside'"),
        (f"{CAT}\ntogether: {{settings: {{}}}}", "together has no prompt"),
        ("objects: {cat: {file: 'toybox:a red cube', seed: 3}}", "which only objects with a prompt read"),
        ("- a\n- b", "must be keys and values"),
    ],
)
def test_a_scene_that_cannot_be_made_is_refused_before_anything_is(text, message, files, capsys, monkeypatch):
    refused(text, message, files, capsys, monkeypatch)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("{delete: true}", "delete without select"),
        ("{keep: false, select: {opacity: [0, 1]}}", "write keep: true"),
        ("{delete: true, recolor: red}", "does delete and recolor; give exactly one"),
        ("{select: {color: red}}", "does nothing; give exactly one of"),
        ("{recolor: rde}", "'rde' of an edit of object 'cube' is no color"),
        ("{recolor: [0, 0, 2]}", "between 0 and 1"),
        ("{recolor: [0, .nan, 0]}", "NaN"),
        ("{delete: true, select: {}}", "asks for nothing"),
        ("{delete: true, select: {box: [[0, 0, 0], [1, 0, 1]]}}", "has no volume"),
        ("{delete: true, select: {box: [[0, 0, 0]]}}", "has 1 corners"),
        ("{delete: true, select: {boks: 1}}", "(nearest: 'box')"),
        ("{delete: true, select: {opacity: [0.5, 2]}}", "within 0 and 1"),
        ("{delete: true, select: {color: red, tolerance: 0}}", "must be a number above 0"),
        ("{delete: true, select: {opacity: [0, 1], tolerance: 1}}", "tolerance without a color"),
        ("{delete: true, select: {box: [[5, 5, 5], [6, 6, 6]]}}", "edit 1 of 'cube' finds none"),
    ],
)
def test_an_edit_that_cannot_be_meant_is_refused_before_anything_is_made(edit, message, files, capsys, monkeypatch):
    text = f"objects: {{cat: {{prompt: an orange cat}}, cube: {{file: cube.ply, edits: [{edit}]}}}}"
    refused(text, message, files, capsys, monkeypatch)


def refused(text: str, message: str, folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    Path("scene.yaml").write_text(text)
    assert main(["compose", "scene.yaml", "--output", "out"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert all(part in errors[0] for part in message.split(" .* "))
    assert not Path("out").exists()


def test_a_scene_stands_alone(tmp_path, capsys):
    scene = scene_file(tmp_path, 0.0)
    assert main(["compose", str(scene), "cat.ply", "--output", str(tmp_path / "out")]) == 1
    assert "stands alone" in capsys.readouterr().err
