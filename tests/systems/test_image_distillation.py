"""From one picture: the asset comes to look like it, and bad pictures leave nothing behind."""

import json
import sys
from pathlib import Path

import pytest
import torch
import trimesh
from PIL import Image
from splatdream.assets.finished import open_asset
from splatdream.cameras.batch import orbit_cameras
from splatdream.commands.main import main as command
from splatdream.losses.reference_view import reference_losses
from splatdream.startup.launching import main
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import trace
from splatdream.toybox.vocabulary import parse_caption

pytest.importorskip("diffusers")

import tiny_models

CONFIGS = Path(__file__).parents[2] / "configs"
SIDE = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_models.make_tiny_zero123(tmp_path_factory.mktemp("models") / "zero123")


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A toybox object from the side, 32 px."""
    path = tmp_path_factory.mktemp("pictures") / "cube.png"
    words = ("--elevation", "20", "--azimuth", "70", "--size", str(SIDE), "--output", str(path))
    assert command(["toybox", "picture", "a red cube", *words]) == 0
    return path


def launch(folder, config, *overrides):
    return main(
        [
            *("--config", str(CONFIGS / f"{config}.yaml"), "--train", f"exp_root_dir={folder}", "use_timestamp=false"),
            *("tag=trial", "trainer.enable_progress_bar=false", "system.guidance.prior.image_size=32"),
            *("data.eval_width=16", "data.eval_height=16", "data.num_test_views=2", *overrides),
        ]
    )


def test_the_losses_are_zero_for_the_picture_itself_over_any_ground(generator):
    alpha, color = torch.rand(1, 5, 5, 1, generator=generator), torch.rand(1, 5, 5, 3, generator=generator)
    background = torch.rand(1, 5, 5, 3, generator=generator)
    picture = torch.cat([alpha * color, alpha], dim=-1)
    losses = reference_losses(alpha * color + (1 - alpha) * background, alpha, background, picture)
    assert max(losses.values()) < 1e-12


def test_the_losses_are_threestudios_where_alpha_is_a_mask(generator):
    mask = (torch.rand(1, 6, 6, 1, generator=generator) > 0.5).float()
    rgb, background, color = torch.rand(3, 1, 6, 6, 3, generator=generator)
    opacity = torch.rand(1, 6, 6, 1, generator=generator)
    losses = reference_losses(rgb, opacity, background, torch.cat([mask * color, mask], dim=-1))
    torch.testing.assert_close(losses["rgb"], ((mask * color + (1 - mask) * background) - rgb).square().mean())
    torch.testing.assert_close(losses["mask"], (mask - opacity).square().mean())


def test_the_configuration_runs_with_a_tiny_model_and_the_asset_comes_to_look_like_the_picture(model, photo, tmp_path):
    """The tiny prior knows nothing, so that its pull is switched off after the first steps."""
    settings = (
        *(f"system.guidance.prior.model={model}", f"system.picture.path={photo}", "system.picture.fill=0"),
        *("system.picture.elevation_deg=20", "system.picture.azimuth_deg=70", "data.width=[32]", "data.height=[32]"),
        *("data.resolution_milestones=[]", "data.batch_size=1", "system.geometry.num_points=400"),
        *("system.geometry.position_lr=0.01", "system.loss.lambda_rgb=10", "system.loss.lambda_mask=10"),
        *("trainer.max_steps=60", "system.loss.lambda_sds=[0,1.0,0.0,2]", "system.geometry.feature_lr=0.03"),
    )
    assert launch(tmp_path, "zero123", *settings) == 0
    save = tmp_path / "zero123" / "trial" / "save"
    manifest = json.loads((save / "manifest.json").read_text())
    assert manifest["status"] == "finished" and manifest["denoiser_evaluations"] == 2 * 60
    (cloud,) = save.glob("it60-export/cloud.ply")
    camera = orbit_cameras([20.0], [70.0], width=SIDE, height=SIDE)
    truth = trace(build_scene(parse_caption("a red cube")), camera)
    on_white = truth[..., :3] + 1 - truth[..., 3:]
    seen, _ = open_asset(cloud).render(camera, torch.ones(1, 3))
    assert (seen - on_white).square().mean() < 0.3 * (1 - on_white).square().mean()


def test_a_second_stage_paints_with_the_same_prior(model, photo, tmp_path):
    mesh = tmp_path / "box.glb"
    trimesh.creation.box((0.8, 0.8, 0.8)).export(mesh)
    settings = (
        *(f"system.guidance.prior.model={model}", f"system.guidance.prior.picture.path={photo}"),
        *(f"system.geometry.source={mesh}", "system.geometry.texture_size=32", "data.width=[32]", "data.height=[32]"),
        *("trainer.max_steps=1", "system.guidance.num_steps=2", "system.export_after_training=false"),
    )
    assert launch(tmp_path, "zero123-texture", *settings) == 0
    assert json.loads((tmp_path / "zero123-texture" / "trial" / "save" / "manifest.json").read_text())["steps"] == 1


@pytest.mark.slow
def test_the_command_goes_from_a_picture_to_a_painted_mesh(model, photo, tmp_path, capsys):
    both = ("system.guidance.prior.image_size=32", "data.width=[32]", "data.height=[32]", "data.num_test_views=2")
    both += ("data.eval_width=32", "data.eval_height=32", "trainer.enable_progress_bar=false")
    first = ("data.resolution_milestones=[]", "data.batch_size=1", "system.geometry.num_points=400")
    first += ("system.geometry.initial_opacity=0.9", "system.exporter.save_video=false")
    second = ("system.geometry.target_faces=300", "system.geometry.texture_size=64", "system.geometry.num_bake_views=8")
    second += ("system.geometry.bake_view_size=48", "system.guidance.num_steps=2", "trainer.max_steps=1")
    of_second = [f"texture.{text}" for text in (*both, *second)]
    arguments = ["--image", str(photo), "--prior", str(model), "--steps", "2", "--output", str(tmp_path / "out")]
    assert command(["generate", *arguments, *both, *first, *of_second]) == 0
    label, _, page = capsys.readouterr().out.splitlines()[-1].partition(": ")
    assert label == "open this" and Path(page).is_file()
    # Its title is the picture's name.
    (glb,) = (tmp_path / "out" / "cube").glob("mesh/run/save/it1-export/mesh.glb")
    assert len(open_asset(glb).mesh.faces) > 50


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "system.picture.path is empty"), ("missing", "is not there"), ("opaque", "no transparent background")],
)
def test_a_bad_picture_is_told_before_anything_is_made(model, tmp_path, capsys, content, said, monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    path = tmp_path / "photo.png"
    if content == "opaque":
        Image.new("RGB", (8, 8)).save(path)
    given = [] if content is None else [f"system.picture.path={path}"]
    assert launch(tmp_path / "out", "zero123", f"system.guidance.prior.model={model}", *given) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
