"""Fitting Gaussians to images with cameras, at the smallest size."""

import json
from dataclasses import replace

import pytest
import splatdream
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.commands.main import main
from splatdream.gaussians.ply import read_ply
from splatdream.guidance.photographs import in_front_of, photometric_losses
from splatdream.photographs.posed_images import PosedImages, over
from splatdream.photographs.transforms_file import write_views
from splatdream.runner.execution import InProcess
from splatdream.runner.request import RunRequest
from splatdream.runner.trial import trial
from splatdream.startup.shipped import find_config
from splatdream.toybox.photographs import photographed, spiral_cameras

TINY = (
    "system.geometry.num_points=300",
    "system.densification.max_num_gaussians=400",
    "trainer.limit_val_batches=0",
    "trainer.enable_progress_bar=false",
    "data.num_test_views=2",
    "data.eval_width=16",
    "data.eval_height=16",
    "system.exporter.formats=[ply]",
    "system.exporter.save_video=false",
)


def cat_views(num: int = 9, size: int = 24) -> PosedImages:
    cameras = spiral_cameras(num, size)
    names = tuple(f"images/{place}.png" for place in range(num))
    return PosedImages(photographed("an orange cat", cameras), cameras, names)


def test_fitting_reaches_what_views_show_and_measures_it_on_others(tmp_path):
    result = splatdream.fit(cat_views(), tmp_path, steps=40, overrides=TINY)
    measured = result.read_manifest()["photographs"]
    assert (measured["views"]["num"], measured["held_out"]["num"]) == (7, 2)
    assert measured["views"]["psnr"] > 15 and 0 < measured["held_out"]["ssim"] < 1
    assert len(read_ply(result.file("cloud"))) > 100
    assert (result.folder / "save" / "held-out.png").is_file()
    # The same again is not made again; another image is another run.
    before = result.file("cloud").stat().st_mtime_ns
    again = splatdream.fit(tmp_path / "views", tmp_path, steps=40, overrides=TINY)
    assert again.fingerprint == result.fingerprint and again.file("cloud").stat().st_mtime_ns == before


def test_the_command_says_what_was_reached(tmp_path, capsys):
    write_views(tmp_path / "cat", cat_views(4))
    arguments = ["fit", str(tmp_path / "cat"), "--output", str(tmp_path / "out"), "--steps", "4", "-q", *TINY]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "dB PSNR" in said and "4 images" in said and "held out" not in said


def test_views_that_cannot_be_read_leave_nothing(tmp_path, capsys):
    write_views(tmp_path / "cat", cat_views(4))
    (tmp_path / "cat" / "images" / "1.png").unlink()
    assert main(["fit", str(tmp_path / "cat"), "--output", str(tmp_path / "out")]) == 1
    assert "there is no image" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_training_without_photographs_is_refused_before_a_folder_is_made(tmp_path, capsys):
    assert main(["train", "--config", "fit", f"exp_root_dir={tmp_path / 'out'}"]) == 1
    assert "set system.guidance.folder" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_guidance_without_images_is_refused(tmp_path, capsys):
    settings = ["system_type=splatdream-fit-system", f"exp_root_dir={tmp_path / 'out'}"]
    assert main(["train", "--config", "tiny", *settings]) == 1
    assert "brings no images to fit" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_equal_pictures_cost_nothing_and_the_published_weights_add_up():
    straight = cat_views(2).straight()
    background = torch.tensor([[1.0, 1.0, 1.0], [0.2, 0.4, 0.6]])
    losses = photometric_losses(
        over(straight, background), straight, torch.full((2, 3), torch.nan), background, straight[..., 3:]
    )
    assert float(losses["loss_l1"]) == 0 and abs(float(losses["loss_dssim"])) < 1e-6


def test_a_render_is_moved_in_front_of_the_ground_of_its_image():
    alpha, color = torch.rand(1, 2, 3, 1), torch.rand(1, 2, 3, 3)
    white, ground = torch.ones(1, 3), torch.tensor([[0.1, 0.5, 0.7]])
    moved = in_front_of(ground, alpha * color + (1 - alpha) * white[:, None, None], alpha, white)
    torch.testing.assert_close(moved, alpha * color + (1 - alpha) * ground[:, None, None])


def test_a_plain_ground_is_known_by_the_border_unless_the_image_has_alpha_or_shows_a_scene():
    views = cat_views(2)
    gray = torch.full((2, 3), 200 / 255)
    opaque = torch.cat([255 * over(views.straight(), gray), torch.full((2, 24, 24, 1), 255.0)], dim=-1)
    plain = replace(views, rgba=opaque.round().to(torch.uint8))
    torch.testing.assert_close(plain.grounds, gray, rtol=0, atol=1e-2)
    noise = torch.randint(0, 256, (2, 24, 24, 4), dtype=torch.uint8)
    noise[..., 3] = 255
    scene = replace(plain, rgba=noise)
    assert views.grounds.isnan().all() and scene.grounds.isnan().all()


@pytest.fixture(scope="module")
def tiny_mvdream(tmp_path_factory):
    pytest.importorskip("diffusers")
    import tiny_models

    return tiny_models.make_tiny_mvdream(tmp_path_factory.mktemp("mvdream"))


def test_sampling_a_prior_and_fitting_counts_its_evaluations_once(tmp_path, tiny_mvdream):
    settings = [
        f"exp_root_dir={tmp_path}",
        "use_timestamp=false",
        f"system.guidance.prior.model={tiny_mvdream}",
        "system.guidance.prior.image_size=32",
        "system.guidance.num_steps=3",
        "system.guidance.num_views=8",
        "trainer.max_steps=3",
    ]
    assert main(["train", "--config", "sample-then-fit", *settings, *TINY]) == 0
    manifest = json.loads((tmp_path / "sample-then-fit" / "an_orange_cat" / "save" / "manifest.json").read_text())
    # 8 views, 3 steps, with and without the text.
    assert manifest["denoiser_evaluations"] == 8 * 3 * 2
    assert manifest["photographs"]["views"]["num"] == 8
    drawing = manifest["seconds_by_stage"]["views"]
    assert drawing > 0
    resume = f"resume={tmp_path / 'sample-then-fit' / 'an_orange_cat' / 'ckpts' / 'last.ckpt'}"
    assert main(["train", "--config", "sample-then-fit", *settings, *TINY, "trainer.max_steps=4", resume]) == 0
    manifest = json.loads((tmp_path / "sample-then-fit" / "an_orange_cat" / "save" / "manifest.json").read_text())
    assert manifest["denoiser_evaluations"] == 8 * 3 * 2 and manifest["steps"] == 4
    assert manifest["seconds_by_stage"]["views"] >= drawing


def test_the_cost_of_a_fit_counts_what_is_drawn_once_however_long_it_is(tmp_path, tiny_mvdream):
    settings = (f"system.guidance.prior.model={tiny_mvdream}", "system.guidance.num_steps=2", "trainer.max_steps=5000")
    request = RunRequest(str(find_config("sample-then-fit")), [*settings, "system.guidance.prior.image_size=32", *TINY])
    cost, result = trial(request, tmp_path, InProcess())
    assert cost.evaluations == 4 * 2 * 2
    stages = result.read_manifest()["seconds_by_stage"]
    of_steps = sum(stages.values()) - stages["views"]
    assert cost.seconds == pytest.approx(result.seconds + of_steps / 12 * (5000 - 12))


def test_generated_views_are_a_folder_that_fit_reads(tmp_path, tiny_mvdream, capsys):
    views = str(tmp_path / "views")
    arguments = ["a cat", "--prior", str(tiny_mvdream), "--steps", "2", "--output", views]
    assert main(["generate-views", *arguments]) == 0
    assert "16 denoiser evaluations" in capsys.readouterr().out
    read = read_views(views)
    torch.testing.assert_close(read.cameras.c2w, orbit_cameras([15.0] * 4, [0.0, 90.0, 180.0, 270.0]).c2w)
    assert main(["generate-views", "a cat", "--prior", str(tiny_mvdream), "--views", "6", "--output", views]) == 1
    assert "6 views do not divide into groups of 4" in capsys.readouterr().err


def read_views(folder):
    from splatdream.photographs.folder import read_photographs

    return read_photographs(folder, is_centered=False, hold_out_every=0).training
