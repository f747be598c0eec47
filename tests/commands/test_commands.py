"""The command line: every verb works, and mistakes get one sentence."""

import re
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from splatdream.commands import playground as playing
from splatdream.commands.compose import load_part, parse_part
from splatdream.commands.generate import generate, stages
from splatdream.commands.main import main
from splatdream.embedded_host.config import load_config
from splatdream.embedded_host.launch import parse_arguments
from splatdream.gaussians.composition import cat
from splatdream.gaussians.ply import read_ply, write_ply
from splatdream.scenes.placement import Placement
from splatdream.scenes.sources import surface_cloud

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if re.match(r"    \w", line)}
    verbs = ("train", "validate", "test", "export", "doctor", "view", "compose", "compare", "evaluate", "playground")
    verbs += ("toybox",)
    assert set(verbs) <= listed


def test_doctor_reports_and_finds_this_environment_ready(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for line in ("python", "torch", "host", "device", "rasterizer", "torchvision", "turntable videos"):
        assert line in text
    assert text.strip().endswith("ready")


@pytest.mark.parametrize(
    ("text", "source", "scale", "rotate_deg", "move"),
    [
        ("cat.ply", "cat.ply", 1.0, (0, 0, 0), (0, 0, 0)),
        ("cat.ply*0.5", "cat.ply", 0.5, (0, 0, 0), (0, 0, 0)),
        ("cat.ply^-90", "cat.ply", 1.0, (0, 0, -90), (0, 0, 0)),
        ("a b/cat.ply@1,-2,.5", "a b/cat.ply", 1.0, (0, 0, 0), (1, -2, 0.5)),
        ("toybox:a red cube*2^10,20,30@0,0,1", "toybox:a red cube", 2.0, (10, 20, 30), (0, 0, 1)),
    ],
)
def test_parts_of_a_composition_are_read(text, source, scale, rotate_deg, move):
    part = parse_part(text)
    assert (part.source, part.placement) == (source, Placement(scale, rotate_deg, move))


@pytest.mark.parametrize("text", ["cat.ply*0", "cat.ply@1,2", "cat.ply@1,2,x", "cat.ply^1,2", "cat.doc", "missing.ply"])
def test_a_part_that_cannot_be_read_is_refused(text, tmp_path, capsys):
    assert main(["compose", text, "--output", str(tmp_path / "out.ply")]) == 1
    assert "error:" in capsys.readouterr().err
    assert not (tmp_path / "out.ply").exists()


@pytest.mark.parametrize("text", ["toybox:a red cube*1e300", "toybox:a red cube*1e999", "toybox:a red cube@0,1e60,0"])
def test_a_part_beyond_what_numbers_hold_is_refused(text, tmp_path, capsys):
    assert main(["compose", text, "--output", str(tmp_path / "out.ply")]) == 1
    assert "beyond what torch.float32 holds" in capsys.readouterr().err
    assert not (tmp_path / "out.ply").exists()


def test_a_part_that_is_no_ply_is_refused_in_one_sentence(tmp_path, capsys):
    broken = tmp_path / "broken.ply"
    # A header that promises far more than the file holds.
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nproperty float x\nend_header\n"
    broken.write_text(header)
    assert main(["compose", str(broken), "--output", str(tmp_path / "out.ply")]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1 and "broken.ply" in errors[0]
    assert not (tmp_path / "out.ply").exists()


def test_compose_concatenates_moves_and_draws(tmp_path):
    first, second, output, picture = (tmp_path / name for name in ("a.ply", "b.ply", "out.ply", "out.png"))
    cube, sphere = surface_cloud("a red cube", num_views=3, size=8), surface_cloud("a blue sphere", num_views=3, size=8)
    write_ply(first, cube)
    write_ply(second, sphere)
    assert main(["compose", str(first), f"{second}@1.5,0,0", "--output", str(output), "--picture", str(picture)]) == 0
    merged = read_ply(output)
    torch.testing.assert_close(merged.means[: len(cube)], cube.means)
    torch.testing.assert_close(merged.means[len(cube) :], sphere.means + torch.tensor([1.5, 0, 0]))
    assert Image.open(picture).width > 6 * 128


def test_a_toybox_object_becomes_gaussians_on_its_surface():
    cloud = surface_cloud("a blue sphere", num_views=4, size=16)
    radii = cloud.means.norm(dim=1)
    # Every point of a sphere is equally far from its center, the origin.
    torch.testing.assert_close(radii, radii.mean().expand_as(radii), atol=1e-3, rtol=0)
    assert len(cat([cloud, load_part(parse_part("toybox:a red cube"))])) > len(cloud)


def trained(folder: Path) -> dict[Path, int]:
    """The checkpoints below a folder, with their times."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("last.ckpt")}


def test_compare_runs_a_variant_once_and_again_when_something_that_decides_it_has_changed(tmp_path, capsys):
    picture, runs = tmp_path / "compare.png", tmp_path / "runs"
    command = [
        *("compare", "--config", str(TINY), "--vary", "system.guidance.prior.condition=view_blind,view_words"),
        *("--folder", str(runs), "--picture", str(picture), "trainer.max_steps=1", "trainer.enable_progress_bar=false"),
    ]
    assert main(command) == 0
    first = trained(runs)
    assert len(first) == 2
    assert main([*command, "trainer.enable_progress_bar=true", "name=elsewhere"]) == 0
    assert trained(runs) == first
    assert "view_words" in capsys.readouterr().out
    assert Image.open(picture).height > 2 * 128
    assert main([*command, "system.prompt_processor.prompt=a red car"]) == 0
    second = trained(runs)
    assert len(second) == 4 and first.items() < second.items()
    changed = tmp_path / "changed.yaml"
    changed.write_text(TINY.read_text().replace("num_points: 200", "num_points: 100"))
    assert main([changed.as_posix() if argument == str(TINY) else argument for argument in command]) == 0
    assert len(trained(runs)) == 6
    assert set(re.findall(r"view_\w+ +(\d+)", capsys.readouterr().out)) == {"200", "100"}


def test_the_playground_draws_a_row_a_method_and_prints_what_each_cost(tmp_path, capsys, monkeypatch):
    # The image set of configs/tiny.yaml, which other tests make, too.
    monkeypatch.setattr(playing, "_SIZE", 24)
    monkeypatch.setattr(playing, "_PRIOR", playing._PRIOR | {"size": 24, "num_images": 100})
    picture = tmp_path / "playground.png"
    assert main(["playground", "--methods", "sds", "csd", "--steps", "2", "--output", str(picture)]) == 0
    costs = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:3]]
    # Without guidance one prediction an image and step; CSD compares two.
    assert costs == [["sds", "1.0"], ["csd", "2.0"]]
    # Two rows and four columns of 24 pixels, doubled.
    assert Image.open(picture).height > 2 * 48 and Image.open(picture).width > 4 * 48


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--methods", "sdss"], "'sdss' is unknown; choose one of sds"),
        (["--prompt", "an orange unicorn", "--methods", "sds"], "unicorn"),
    ],
)
def test_the_playground_refuses_mistakes_in_one_sentence(options, sentence, tmp_path, capsys):
    assert main(["playground", "--output", str(tmp_path / "out.png"), *options]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert sentence in error
    assert not (tmp_path / "out.png").exists()


def test_generate_goes_from_a_sentence_to_a_textured_mesh_and_keeps_finished_stages(tmp_path, capsys):
    texture = OmegaConf.load(TINY.with_name("toybox-texture.yaml"))
    small = {"target_faces": 300, "texture_size": 64, "bake_view_size": 48, "num_bake_views": 8}
    texture.system.geometry.update(small)
    texture.data.update({"width": [32], "height": [32], "eval_width": 32, "eval_height": 32, "num_test_views": 2})
    texture.system.guidance.prior.size = 16
    texture.trainer.update({"max_steps": 2, "val_check_interval": 2})
    OmegaConf.save(texture, tmp_path / "texture.yaml")
    command = ["generate", "an orange cat", "--config", str(TINY), "--texture-config", str(tmp_path / "texture.yaml")]
    assert main([*command, "--folder", str(tmp_path / "out")]) == 0
    results = tmp_path / "out" / "an_orange_cat"
    assert list(results.glob("gaussians/run/save/it*-export/cloud.ply"))
    assert list(results.glob("mesh/run/save/it2-export/mesh.glb"))
    assert 'title="M"' not in (next(results.glob("mesh/run/save/it2-export/mesh.html"))).read_text()
    label, _, summary = capsys.readouterr().out.splitlines()[-1].partition(": ")
    assert label == "open this" and 'id="facts"' in Path(summary).read_text()
    page = (results / "viewer.html").read_text()
    assert all(f"data-{part}" in page for part in ("0-texture", "1-rows")) and "an orange cat" in page
    assert Image.open(results / "summary.png").height > 100
    stages = trained(results)
    (results / "summary.png").unlink()
    assert main([*command, "--folder", str(tmp_path / "out")]) == 0
    assert len(stages) == 2 and trained(results) == stages and (results / "summary.png").exists()


def test_generate_refuses_a_prompt_without_words(tmp_path, capsys):
    assert main(["generate", " ?! ", "--folder", str(tmp_path / "out")]) == 1
    assert "has no words" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_generate_hands_a_prompt_on_to_the_letter(tmp_path):
    prompt, asked = "${oc.env:HF_TOKEN}: [a] null", []
    with pytest.raises(RuntimeError, match="the run in"):
        generate(lambda arguments, log: asked.append(arguments) or 1, *stages(prompt), str(tmp_path))
    args, overrides = parse_arguments(["--train", *asked[0]])
    assert load_config(args.config, overrides).system.prompt_processor.prompt == prompt


def test_generate_refuses_a_prompt_that_the_prior_cannot_read(tmp_path, capsys):
    assert main(["generate", "an orange unicorn", "--config", str(TINY), "--output", str(tmp_path / "out")]) == 1
    assert "unicorn" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_variation_without_choice_is_refused(capsys):
    assert main(["compare", "--config", str(TINY), "--vary", "seed=1"]) == 1
    assert "at least two values" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_prior_is_trained_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    few = ("--images", "576", "--batch-size", "2", "--folder", str(tmp_path))
    assert main(["toybox", "train", "vae", "--steps", "1", *few]) == 0
    assert (tmp_path / "vae" / "autoencoder" / "config.json").exists()
    assert Image.open(tmp_path / "vae" / "samples.png").width > 100
    capsys.readouterr()
    assert main(["toybox", "train", "vae", "--steps", "1", "--start-from", str(tmp_path), *few]) == 1
    assert "--start-from is for sd, mvdream, flow; vae has" in capsys.readouterr().err


def test_a_score_needs_a_prior(tmp_path, capsys):
    assert main(["toybox", "score", str(tmp_path)]) == 1
    assert "toybox train sd" in capsys.readouterr().err


def test_the_gallery_is_drawn(tmp_path):
    assert main(["toybox", "gallery", "--size", "32", "--output", str(tmp_path / "toybox.png")]) == 0
    assert Image.open(tmp_path / "toybox.png").width == 2 * 5 * 32
