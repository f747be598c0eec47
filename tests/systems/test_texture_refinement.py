"""The second stage on the embedded host, at the smallest size."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("embreex")
pytest.importorskip("xatlas")

from splatdream.assets.textured_mesh import TexturedMeshGeometry
from splatdream.cameras.batch import orbit_cameras
from splatdream.evaluation.mesh_quality import evaluate_mesh
from splatdream.gaussians.initialization import from_points
from splatdream.gaussians.ply import write_ply
from splatdream.meshing.extraction import ExtractionOptions
from splatdream.startup.launching import main
from splatdream.systems.texture_refinement import TextureRefinementSystem
from splatdream.texture.mesh_files import read_mesh
from splatdream.texture.mesh_from_cloud import BakingOptions, mesh_from_cloud
from splatdream.toybox.objects import build_scene
from splatdream.toybox.ray_tracer import trace_surface

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = (
    "use_timestamp=false",
    "trainer.enable_progress_bar=false",
    "trainer.max_steps=6",
    "trainer.val_check_interval=3",
    "trainer.log_every_n_steps=1",
    "data.width=[32]",
    "data.height=[32]",
    "data.batch_size=2",
    "data.eval_width=32",
    "data.eval_height=32",
    "data.num_val_views=2",
    "data.num_test_views=2",
    "system.geometry.texture_lr=0.02",
    "system.guidance.prior.size=16",
    "system.prompt_processor.prompt=a red cube",
)
SMALL_MESH = (
    "system.geometry.resolution=32",
    "system.geometry.target_faces=400",
    "system.geometry.texture_size=64",
    "system.geometry.num_bake_views=8",
    "system.geometry.bake_view_size=48",
)


def gray_cube_cloud():
    """Gaussians on the surface of the toybox's cube, all gray: what is red later, refinement has painted."""
    scene = build_scene("a red cube")
    cameras = orbit_cameras([-50.0, -20, 10, 40, 70] * 4, torch.arange(20) * 18.0, width=32, height=32)
    depths, _ = trace_surface(scene, cameras)
    forward = -cameras.c2w[:, :3, 2]
    directions = cameras.ray_directions
    distances = depths / torch.einsum("bhwi,bi->bhw", directions, forward)
    points = (cameras.positions[:, None, None] + distances[..., None] * directions)[depths > 0]
    return from_points(points, torch.full_like(points, 0.5), opacity=0.9, scale=0.015)


def launch(folder: Path, mode: str, *overrides: str, config: Path = CONFIGS / "toybox-texture.yaml") -> int:
    return main(["--config", str(config), f"--{mode}", f"exp_root_dir={folder}", *SMALL, *overrides])


@pytest.fixture(scope="module")
def ply(tmp_path_factory) -> Path:
    return Path(write_ply(tmp_path_factory.mktemp("cloud") / "cube.ply", gray_cube_cloud()))


@pytest.fixture(scope="module")
def finished_run(ply, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("refined")
    assert launch(folder, "train", f"system.geometry.source={ply}", *SMALL_MESH) == 0
    return folder / "toybox-texture" / "a_red_cube"


def test_a_ply_becomes_a_refined_textured_mesh_with_pictures(finished_run):
    save = finished_run / "save"
    for name in (
        "before-after.png",
        "it3-validation.png",
        "it6-test.mp4",
        "it6-test.html",
        "it6-export/mesh.glb",
        "it6-export/mesh.obj",
        "it6-export/mesh.html",
    ):
        assert (save / name).stat().st_size > 0, name
    report = json.loads((save / "mesh.json").read_text())
    assert report["mesh"]["is_watertight"] and report["unwrap"]["num_charts"] >= 1
    manifest = json.loads((save / "manifest.json").read_text())
    assert (manifest["status"], manifest["steps"], manifest["denoiser_evaluations"]) == ("finished", 6, 12)


def test_the_texture_moves_toward_the_prompt_and_colors_stay_colors(finished_run):
    texture = torch.load(finished_run / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]["geometry.texture"]
    assert texture.min() >= 0 and texture.max() <= 1
    red, green, _ = texture.mean(dim=(0, 1)).tolist()
    # Six steps of 0.02 at most, and only where a view looked.
    assert red > green + 0.02


def test_resuming_gives_the_same_bits_and_does_not_mesh_again(finished_run, ply, tmp_path):
    source = f"system.geometry.source={ply}"
    assert launch(tmp_path, "train", source, *SMALL_MESH, "trainer.max_steps=3") == 0
    first = tmp_path / "toybox-texture" / "a_red_cube"
    (first / "save" / "mesh.json").unlink()
    baked = first / "save" / "it0-export" / "mesh.glb"
    before = baked.read_bytes()
    overrides = (f"resume={first}/ckpts/last.ckpt", "trainer.max_steps=6", *SMALL_MESH, source)
    assert launch(tmp_path, "train", *overrides) == 0
    whole, resumed = (
        torch.load(run / "ckpts" / "last.ckpt", weights_only=True)["state_dict"] for run in (finished_run, first)
    )
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    assert not (first / "save" / "mesh.json").exists()
    assert baked.read_bytes() == before  # the mesh before any painting


def test_exporting_a_checkpoint_needs_no_first_stage(finished_run, tmp_path):
    checkpoint = finished_run / "ckpts" / "last.ckpt"
    assert launch(tmp_path, "export", f"resume={checkpoint}", *SMALL_MESH) == 0
    exported = tmp_path / "toybox-texture" / "a_red_cube" / "save" / "it6-export"
    first = read_mesh(finished_run / "save" / "it6-export" / "mesh.glb")[1]
    again = read_mesh(exported / "mesh.glb")[1]
    torch.testing.assert_close(again.texture, first.texture, rtol=0, atol=0)


def test_a_mesh_file_is_painted_by_noising_and_denoising(finished_run, tmp_path):
    obj = tmp_path / "bare.obj"
    lines = (finished_run / "save" / "it6-export" / "mesh.obj").read_text().splitlines()
    faces = [" ".join(part.split("/")[0] for part in line.split()) for line in lines if line.startswith("f ")]
    obj.write_text("\n".join([line for line in lines if line.startswith("v ")] + faces))
    config = CONFIGS / "toybox-texture-denoise.yaml"
    overrides = (f"system.geometry.source={obj}", "system.geometry.texture_size=64", "system.guidance.num_steps=2")
    assert launch(tmp_path, "train", *overrides, config=config) == 0
    run = tmp_path / "toybox-texture-denoise" / "a_red_cube"
    texture = torch.load(run / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]["geometry.texture"]
    assert (texture != 0.5).any() and texture.mean(dim=(0, 1))[0] > 0.51
    manifest = json.loads((run / "save" / "manifest.json").read_text())
    assert manifest["prior"]["name"] == "closed-form"
    # Two views, two denoising steps, six steps of the optimizer.
    assert manifest["denoiser_evaluations"] == 24


def test_a_checkpoint_of_the_first_stage_is_converted(tmp_path):
    tiny = ["--config", str(CONFIGS / "tiny.yaml"), "--train", f"exp_root_dir={tmp_path}", "use_timestamp=false"]
    quick = ("trainer.enable_progress_bar=false", "system.export_after_training=false", "trainer.max_steps=1")
    assert main([*tiny, *quick]) == 0
    checkpoint = tmp_path / "tiny" / "an_orange_cat" / "ckpts" / "last.ckpt"
    overrides = (f"system.geometry_convert_from={checkpoint}", "system.prompt_processor.prompt=an orange cat")
    assert launch(tmp_path, "train", *overrides, *SMALL_MESH, "trainer.max_steps=1") == 0
    assert read_mesh(tmp_path / "toybox-texture" / "an_orange_cat" / "save" / "it1-export" / "mesh.glb")[1] is not None


def cropped(batch, step: int = 0, **config):
    settings = {"seed": 0, "prior_size": 16, "crop_probability": 1.0} | config
    return TextureRefinementSystem.training_views(SimpleNamespace(cfg=SimpleNamespace(**settings)), batch, step)


def test_steps_look_at_parts_where_the_prior_is_smaller_than_the_views():
    batch = orbit_cameras([10.0, 20.0], [0.0, 90.0], width=64, height=64).to_batch()
    part = cropped(batch)
    assert (part["width"], part["height"]) == (16, 16)
    # A quarter of the view in as many pixels as the prior sees: details as large as in the views.
    torch.testing.assert_close(torch.tan(part["fovy"] / 2), torch.tan(batch["fovy"] / 2) / 4)
    torch.testing.assert_close(part["camera_positions"], batch["camera_positions"])
    assert torch.equal(part["c2w"], cropped(batch)["c2w"]) and not torch.equal(
        part["c2w"], cropped(batch, step=1)["c2w"]
    )
    shares = [cropped(batch, step, crop_probability=0.3) is not batch for step in range(300)]
    assert 0.2 < sum(shares) / len(shares) < 0.4
    for settings in ({"prior_size": 0}, {"prior_size": 64}, {"prior_size": 128}, {"crop_probability": 0.0}):
        assert cropped(batch, **settings) is batch


def test_a_mesh_file_with_a_texture_keeps_its_places_and_pixels(finished_run):
    path = finished_run / "save" / "it6-export" / "mesh.glb"
    textured = read_mesh(path)[1]
    kept = TexturedMeshGeometry({"source": str(path), "texture_size": 999}).textured_mesh()
    assert torch.equal(kept.texture, textured.texture)
    assert torch.equal(kept.layout.corners, textured.layout.corners) and torch.equal(
        kept.mesh.corners, textured.mesh.corners
    )


def test_without_anything_to_paint_one_sentence_says_what_to_set(tmp_path, capsys):
    assert launch(tmp_path, "train") != 0
    assert "system.geometry_convert_from" in capsys.readouterr().err


def test_the_mesh_of_a_known_cube_is_measured_against_it():
    result = mesh_from_cloud(
        gray_cube_cloud(),
        ExtractionOptions(resolution=48, target_faces=1000),
        BakingOptions(texture_size=64, num_views=8, view_size=48),
    )
    quality = evaluate_mesh(result.textured, "a red cube", num_views=4, size=48, num_points=4000)
    assert quality.is_watertight and quality.num_intersecting_faces == 0
    # The surface lies two to three standard deviations outside of the points, and is round at the edges.
    assert 0.02 < quality.chamfer < 0.06
    assert quality.normal_consistency > 0.9 and quality.silhouette_iou > 0.88
    assert quality.seam_difference < 1.0
