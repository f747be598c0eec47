"""The table of the second stage."""

from pathlib import Path

import pytest
from splatdream.experiments import mesh_table
from splatdream.experiments.mesh_table import make_mesh_table, mesh_table_text
from splatdream.experiments.table_rows import Progress

CONFIGS = Path(__file__).parents[2] / "configs"
FIRST, SECOND = str(CONFIGS / "tiny.yaml"), str(CONFIGS / "toybox-texture.yaml")


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


def test_gains_are_paired_and_have_intervals():
    rows = {}
    for number, (name, gain) in enumerate((("cat", 1.0), ("car", 3.0), ("house", -1.0))):
        rows[f"{name}/sds/baked"], rows[f"{name}/sds/refined"] = row(10.0 + number), row(10.0 + number + gain)
    last = mesh_table_text(rows).splitlines()[-1]
    assert last.startswith("| sds | 3 | +1.00 [-1.00, +3.00] | 2 | +1.00 [")


def test_progress_says_how_long_the_rest_takes():
    now = 100.0
    progress = Progress(4, clock=lambda: now)
    assert progress.line("a cat, sds") == "[1/4] a cat, sds"
    now, progress.done = 160.0, 1
    assert progress.line("a car, sds") == "[2/4] a car, sds, 3 min to go"
    now, progress.done = 161.0, 3
    assert progress.line("a fox, sds") == "[4/4] a fox, sds, 20 s to go"


@pytest.fixture
def stages(monkeypatch):
    """An executor whose runs write what both stages leave; `ran` has their names, `failing` those that fail once."""

    class Stages:
        def __init__(self):
            self.ran, self.measured, self.failing = [], [], set()

        def __call__(self, arguments, log):
            folder = log.parent
            name = folder.name.rpartition("-")[0]
            self.ran.append(f"{folder.parent.name}/{name}")
            if name in self.failing:
                self.failing.remove(name)
                return 1
            for step in [] if folder.parent.name == "gaussians" else [0, 9, 10]:
                (folder / "save" / f"it{step}-export").mkdir(parents=True)
                (folder / "save" / f"it{step}-export" / "mesh.glb").write_text(str(step))
            (folder / "ckpts").mkdir()
            (folder / "ckpts" / "last.ckpt").write_text(name)
            (folder / "save").mkdir(exist_ok=True)
            return 0

    stages = Stages()
    monkeypatch.setattr(mesh_table, "_numbers", lambda path, _: stages.measured.append(path.read_text()) or row(20.0))
    return stages


def test_a_table_goes_on_where_it_stopped_and_shows_what_was_asked_for(tmp_path, stages, capsys):
    arguments = (stages, FIRST, {"sds": SECOND}, str(tmp_path), ["cat", "car"], str(tmp_path / "report.md"))
    stages.failing.add("car-sds")
    with pytest.raises(RuntimeError, match=r"meshes/car-sds-\w+ failed: exit code 1; what finished before it is kept"):
        make_mesh_table(*arguments)
    assert stages.ran == ["gaussians/cat", "meshes/cat-sds", "gaussians/car", "meshes/car-sds"]
    assert not (tmp_path / "report.md").exists()
    make_mesh_table(*arguments)
    # Neither the finished object nor the finished first stage again; first and last export, by number.
    assert stages.ran[4:] == ["meshes/car-sds"] and stages.measured == ["0", "10", "0", "10"]
    output = capsys.readouterr().out
    assert "[2/2] a" in output and "1 of 2 results are in" in output and "[1/1]" in output
    make_mesh_table(*arguments[:4], ["car"], str(tmp_path / "report.md"))
    report = (tmp_path / "report.md").read_text()
    assert len(stages.ran) == 5 and "| car | sds |" in report and "| cat |" not in report


def test_another_override_makes_the_second_stage_again_and_another_first_stage_both(tmp_path, stages):
    def make(config=FIRST, overrides=()):
        stages.ran.clear()
        make_mesh_table(stages, config, {"sds": SECOND}, str(tmp_path), ["cat"], overrides=overrides)
        return stages.ran

    assert make() == ["gaussians/cat", "meshes/cat-sds"]
    assert make() == []
    assert make(overrides=["trainer.max_steps=3"]) == ["meshes/cat-sds"]
    changed = tmp_path / "first.yaml"
    changed.write_text(Path(FIRST).read_text().replace("num_points: 200", "num_points: 201"))
    assert make(str(changed)) == ["gaussians/cat", "meshes/cat-sds"]
    assert make() == []


def test_unknown_objects_are_named_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="unicorn"):
        make_mesh_table(lambda *_: pytest.fail("ran"), FIRST, {"sds": SECOND}, str(tmp_path), ["unicorn"])
