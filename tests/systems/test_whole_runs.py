"""Whole runs on the embedded host, at the smallest size."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from splatdream.gaussians.ply import read_ply
from splatdream.guidance.guidance import Guidance
from splatdream.host import register
from splatdream.startup.launching import main


@register("test-never-built-guidance")
class NeverBuiltGuidance(Guidance):
    def configure(self) -> None:
        raise AssertionError("built")


TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def launch(folder: Path, mode: str, *overrides: str, config: Path = TINY) -> int:
    return main(
        [
            "--config",
            str(config),
            f"--{mode}",
            f"exp_root_dir={folder}",
            "use_timestamp=false",
            "trainer.enable_progress_bar=false",
            *overrides,
        ]
    )


def trial(folder: Path, tag: str = "an_orange_cat") -> Path:
    return folder / "tiny" / tag


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    # A number that callbacks cannot find would end the run.
    logged = ("trainer.log_every_n_steps=5", "checkpoint.monitor=train/num_gaussians")
    assert launch(folder, "train", *logged) == 0
    return trial(folder)


def test_a_run_leaves_pictures_a_video_assets_and_a_manifest(finished_run):
    save = finished_run / "save"
    for name in (
        "it20-validation.png",
        "it20-test.mp4",
        "it20-test-contact-sheet.png",
        "it20-test.html",
        "it20-export/cloud.ply",
        "it20-export/cloud.splat",
        "it20-export/viewer.html",
    ):
        assert (save / name).stat().st_size > 0, name
    manifest = json.loads((save / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["steps"] == 20
    # Two views a step and no guidance: one evaluation a view.
    assert manifest["denoiser_evaluations"] == 40
    assert manifest["prior"]["name"] == "closed-form"
    assert set(manifest["seconds_by_stage"]) == {"render", "guidance", "backward", "optimizer", "densification"}


def test_numbers_are_logged_at_their_interval_as_they_are_after_the_step(finished_run):
    with (finished_run / "csv_logs" / "version_0" / "metrics.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["train/loss"]]
    assert [int(row["step"]) for row in rows] == [4, 9, 14, 19]
    # Two evaluations a step.
    assert [float(row["train/denoiser_evaluations_total"]) for row in rows] == [10, 20, 30, 40]
    # Refined after steps 8, 12 and 16, between the intervals; told once, at the next.
    assert [row["densification/num_gaussians"] for row in rows] == [
        "",
        *(row["train/num_gaussians"] for row in rows[1:]),
    ]


def test_the_exported_cloud_is_the_one_in_the_checkpoint(finished_run):
    checkpoint = torch.load(finished_run / "ckpts" / "last.ckpt", weights_only=True)
    cloud = read_ply(finished_run / "save" / "it20-export" / "cloud.ply")
    torch.testing.assert_close(cloud.means, checkpoint["state_dict"]["geometry.means"], rtol=0, atol=0)


def test_the_cloud_grew_and_kept_to_its_cap(finished_run):
    checkpoint = torch.load(finished_run / "ckpts" / "last.ckpt", weights_only=True)
    assert 200 < len(checkpoint["state_dict"]["geometry.means"]) <= 300


def test_resuming_across_a_densification_gives_the_same_bits(finished_run, tmp_path):
    # The first run stops at step 10, between the refinements at 8 and 12.
    assert launch(tmp_path, "train", "trainer.max_steps=10") == 0
    first = trial(tmp_path)
    resumed_from = first / "configs" / "parsed.yaml"
    overrides = (f"resume={first}/ckpts/last.ckpt", "trainer.max_steps=20")
    assert launch(tmp_path, "train", *overrides, config=resumed_from) == 0
    whole = torch.load(finished_run / "ckpts" / "last.ckpt", weights_only=True)
    resumed = torch.load(first / "ckpts" / "last.ckpt", weights_only=True)
    assert resumed["global_step"] == 20
    for name, tensor in whole["state_dict"].items():
        assert torch.equal(tensor, resumed["state_dict"][name]), name
    for a, b in zip(
        whole["optimizer_states"][0]["state"].values(), resumed["optimizer_states"][0]["state"].values(), strict=True
    ):
        assert torch.equal(a["exp_avg_sq"], b["exp_avg_sq"])
    assert whole["splatdream"]["guidance"] == resumed["splatdream"]["guidance"]
    assert whole["splatdream"]["denoiser_evaluations"] == resumed["splatdream"]["denoiser_evaluations"]


def test_exported_gaussians_are_as_smooth_as_the_height_of_the_training_views_asks(finished_run, tmp_path):
    assert launch(tmp_path, "train", "data.height=[48]", "data.width=[48]", "trainer.max_steps=1") == 0
    for run, step, height in ((finished_run, 20, 24), (trial(tmp_path), 1, 48)):
        trained = torch.load(run / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]["geometry.log_scales"]
        shown = read_ply(run / "save" / f"it{step}-export" / "cloud.ply").scales
        pixel = 2 * 2.5 * math.tan(math.radians(49.1 / 2)) / height
        added = shown.double().square() - trained.double().exp().square()
        torch.testing.assert_close(added, torch.full_like(added, 0.2 * pixel**2), rtol=1e-3, atol=1e-8)


def test_another_seed_gives_another_cloud(finished_run, tmp_path):
    assert launch(tmp_path, "train", "seed=1", "trainer.max_steps=2") == 0
    other = torch.load(trial(tmp_path) / "ckpts" / "last.ckpt", weights_only=True)
    whole = torch.load(finished_run / "ckpts" / "last.ckpt", weights_only=True)
    assert not torch.equal(other["state_dict"]["geometry.means"][:5], whole["state_dict"]["geometry.means"][:5])


@pytest.mark.parametrize(
    ("mode", "files"),
    [
        ("validate", ["it20-validation.png"]),
        ("test", ["it20-test.mp4"]),
        ("export", ["it20-export/cloud.ply", "it20-export/contact-sheet.png", "it20-test.mp4"]),
    ],
)
def test_a_checkpoint_can_be_validated_tested_and_exported_without_a_prior(finished_run, tmp_path, mode, files):
    checkpoint = finished_run / "ckpts" / "last.ckpt"
    assert launch(tmp_path, mode, f"resume={checkpoint}", "system.guidance_type=test-never-built-guidance") == 0
    assert all((trial(tmp_path) / "save" / file).stat().st_size > 0 for file in files)


def test_weights_and_geometry_of_another_run_can_be_started_from(finished_run, tmp_path):
    checkpoint = finished_run / "ckpts" / "last.ckpt"
    for key, tag in (("weights", "weights"), ("geometry_convert_from", "converted")):
        overrides = (f"system.{key}={checkpoint}", "trainer.max_steps=1", f"tag={tag}")
        assert launch(tmp_path, "train", *overrides) == 0
        started = torch.load(trial(tmp_path, tag) / "ckpts" / "last.ckpt", weights_only=True)
        source = torch.load(checkpoint, weights_only=True)
        assert len(started["state_dict"]["geometry.means"]) == len(source["state_dict"]["geometry.means"])


def test_regularizers_change_the_cloud_but_not_what_densification_sees(tmp_path):
    weights = ("system.loss.lambda_opacity=100", "system.loss.lambda_tv_loss=1", "trainer.max_steps=1")
    assert launch(tmp_path, "train", "trainer.max_steps=1", "tag=plain") == 0
    assert launch(tmp_path, "train", *weights, "tag=regularized") == 0
    plain, regularized = (
        torch.load(trial(tmp_path, tag) / "ckpts" / "last.ckpt", weights_only=True) for tag in ("plain", "regularized")
    )
    name = "geometry.opacity_logits"
    assert not torch.equal(plain["state_dict"][name], regularized["state_dict"][name])
    plain, regularized = (run["splatdream"]["refinement"]["statistics"] for run in (plain, regularized))
    for key, value in plain.items():
        assert torch.equal(value, regularized[key]), key


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("system.prompt_processor.prompt=an orange unicorn",), "unicorn"),
        (("system.geometry.num_pionts=5",), "num_points"),
        (("system.guidance.method=sdss",), "'sdss' is unknown; choose one of"),
        (("system.geometry_type=splatdream-gausians",), "splatdream-gaussians"),
        (("system.loss.lambda_opacitty=1",), "lambda_opacitty belongs to no loss"),
        (("system.densification.refine_evry=5",), "refine_every"),
        (("system.prompt_processor.prompt=", "tag=empty"), "prompt is empty"),
        (("data.views_per_group=3",), "batch_size 2 must be a multiple of data.views_per_group 3"),
        (("resume=/nowhere/last.ckpt",), "there is no checkpoint '/nowhere/last.ckpt'"),
        (("system.exporter.formats=[ply,fbx]",), "fbx"),
        (("system.optimizer.name=SGD",), "system.optimizer is not read"),
    ],
)
def test_a_mistake_gets_one_sentence_and_leaves_nothing_behind(tmp_path, capsys, overrides, sentence):
    assert launch(tmp_path / "out", "train", *overrides) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert not list((tmp_path / "out").rglob("*.ply"))


def test_a_missing_configuration_is_named(tmp_path, capsys):
    assert launch(tmp_path, "train", config=tmp_path / "no.yaml") == 1
    assert "no.yaml" in capsys.readouterr().err


def test_a_truncated_checkpoint_is_named_and_left_alone(finished_run, tmp_path, capsys):
    whole = (finished_run / "ckpts" / "last.ckpt").read_bytes()
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(whole[: len(whole) // 2])
    assert launch(tmp_path / "out", "train", f"resume={broken}") == 1
    assert f"checkpoint '{broken}' is damaged" in capsys.readouterr().err


def test_a_prompt_with_path_separators_stays_inside_the_output_folder(tmp_path):
    prompt = "system.prompt_processor.prompt=an orange cat"
    assert launch(tmp_path / "out", "train", prompt, "tag=../../escaped/cat", "trainer.max_steps=1") == 0
    assert not (tmp_path / "escaped").exists()
    assert len(list((tmp_path / "out").rglob("last.ckpt"))) == 1
