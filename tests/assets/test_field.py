"""A field goes through a whole run as Gaussians do: pictures, exports, resuming, judging, the second stage."""

import json
from pathlib import Path

import pytest
import torch
from splatdream.assets.field import FieldGeometry
from splatdream.assets.finished import open_asset
from splatdream.cameras.batch import orbit_cameras
from splatdream.commands.evaluate import newest_export
from splatdream.laboratory.measures import final_asset
from splatdream.runner.results import newest_files
from splatdream.startup.launching import main

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = (
    "data.batch_size=2",
    "data.width=[12,16]",
    "data.height=[12,16]",
    "data.resolution_milestones=[4]",
    "data.eval_width=16",
    "data.eval_height=16",
    "data.num_val_views=1",
    "data.num_test_views=2",
    "system.geometry.coarsest=4",
    "system.geometry.finest=8",
    "system.geometry.num_levels=2",
    "system.geometry.occupancy_resolution=12",
    "system.geometry.step_size=0.08",
    "system.guidance.prior.num_images=100",
    "system.guidance.prior.num_unconditional_images=176",
    "system.guidance.prior.size=16",
    "trainer.val_check_interval=20",
    "checkpoint.every_n_train_steps=10",
    "trainer.enable_progress_bar=false",
)


def launch(folder: Path, mode: str, *overrides: str, config: str = "quickstart-nerf", small: tuple = SMALL) -> int:
    command = [
        "--config",
        str(CONFIGS / f"{config}.yaml"),
        f"--{mode}",
        f"exp_root_dir={folder}",
        "use_timestamp=false",
    ]
    return main([*command, "tag=trial", *small, *overrides])


def weights_of(trial: Path) -> dict[str, torch.Tensor]:
    return torch.load(trial / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def trial(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("field")
    overrides = (
        "trainer.max_steps=20",
        "system.exporter.resolution=24",
        "system.exporter.target_faces=300",
        "system.exporter.texture_size=64",
        "system.loss.lambda_orient=0.01",
        "system.loss.lambda_sparsity=0.01",
        "system.loss.lambda_opaque=0.01",
    )
    assert launch(folder, "train", *overrides) == 0
    return folder / "quickstart-nerf" / "trial"


def test_a_run_leaves_pictures_the_field_and_its_surface(trial):
    save = trial / "save"
    names = ("it20-test.mp4", "it20-test-contact-sheet.png", "it20-test.html")
    for name in (*names, *(f"it20-export/{name}" for name in ("field.safetensors", "surface.glb", "viewer.html"))):
        assert (save / name).stat().st_size > 0, name
    manifest = json.loads((save / "manifest.json").read_text())
    assert (manifest["status"], manifest["steps"], manifest["denoiser_evaluations"]) == ("finished", 20, 40)
    assert manifest["num_parameters"] == sum(p.numel() for p in open_asset(newest_export(trial)).volume.parameters())


def test_the_file_looks_as_the_checkpoint_does(trial):
    assert newest_export(trial).name == "field.safetensors"
    asset = open_asset(newest_export(trial))
    rgb, alpha = asset.render(orbit_cameras([15.0], [0.0], width=24, height=24), torch.ones(1, 3))
    assert 0.02 < float(alpha.mean()) < 0.9 and rgb.isfinite().all()
    assert len(asset.visible_points()) > 5 and asset.page_model().kind == "mesh"
    weights = weights_of(trial)
    assert all(torch.equal(weights[f"geometry.volume.{name}"], t) for name, t in asset.volume.state_dict().items())


def test_the_laboratory_takes_the_field(trial):
    from splatdream.runner.results import RunResult

    files = newest_files(trial)
    result = RunResult("", "finished", None, 0.0, None, None, files, None, folder=trial)
    assert final_asset(result).sizes()["parameters"] > 0


def test_a_resumed_run_is_bit_equal(trial, tmp_path):
    losses = tuple(f"system.loss.lambda_{name}=0.01" for name in ("orient", "sparsity", "opaque"))
    quiet = ("system.export_after_training=false", *losses)
    first = tmp_path / "quickstart-nerf" / "trial"
    assert launch(tmp_path, "train", "trainer.max_steps=10", *quiet) == 0
    assert launch(tmp_path, "train", "trainer.max_steps=20", *quiet, f"resume={first / 'ckpts' / 'last.ckpt'}") == 0
    resumed, continuous = weights_of(first), weights_of(trial)
    assert all(torch.equal(resumed[name], continuous[name]) for name in continuous)


def test_the_second_stage_paints_the_surface_of_a_field(trial, tmp_path):
    small = (
        "data.width=[16]",
        "data.height=[16]",
        "data.eval_width=16",
        "data.eval_height=16",
        "data.num_test_views=1",
        "data.num_val_views=1",
        "data.batch_size=1",
        "system.geometry.resolution=24",
        "system.geometry.target_faces=200",
        "system.geometry.texture_size=64",
        "system.guidance.prior.size=16",
        "trainer.max_steps=2",
        "trainer.enable_progress_bar=false",
    )
    start = f"system.geometry_convert_from={trial / 'ckpts' / 'last.ckpt'}"
    assert launch(tmp_path, "train", start, config="toybox-texture", small=small) == 0
    save = tmp_path / "toybox-texture" / "trial" / "save"
    assert (save / "it2-export" / "mesh.glb").stat().st_size > 0
    assert json.loads((save / "mesh.json").read_text())["mesh"]["num_open_edges"] == 0


def test_grids_are_added_step_by_step():
    geometry = FieldGeometry({"num_levels": 5, "first_levels": 2, "levels_from": 10, "levels_every": 5})
    assert [geometry.levels_at(step) for step in (0, 10, 14, 15, 20, 25, 900)] == [2, 2, 2, 3, 4, 5, 5]
    geometry.update_step(0, 15)
    assert geometry.volume.field.encoding.active_levels == 3


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("system.geometry.first_levels=9", "first_levels 9 must be between 0 and num_levels 2"),
        ("system.geometry.step_size=0", "system.geometry.step_size is 0.0; it must be above 0"),
        ("system.loss.lambda_scales=1", "lambda_scales belongs to no loss; regularizers are lambda_opaque"),
        ("system.exporter.formats=[ply]", "system.exporter.formats has ply; the formats are field, glb, html"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_made(override, sentence, tmp_path, capsys):
    assert launch(tmp_path, "train", "trainer.max_steps=1", override) == 1
    assert sentence in capsys.readouterr().err
