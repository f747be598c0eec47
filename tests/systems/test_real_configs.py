"""Every configuration for real checkpoints runs, its network exchanged for a tiny one of the same architecture.

The exchange is one override, `system.guidance.prior.model`. What SHORT adds only makes the run short and its pictures
small. Under threestudio itself where THREESTUDIO_ROOT names a checkout whose imports are installed (docs/host.md).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from known_fields import gray_sphere
from splatdream.fields.field_file import write_field
from splatdream.photographs.posed_images import PosedImages
from splatdream.photographs.transforms_file import write_views
from splatdream.startup.launching import main
from splatdream.toybox.photographs import photographed, spiral_cameras

pytest.importorskip("diffusers")
pytest.importorskip("peft")

import tiny_models
from tiny_shap_e import make_tiny_shap_e

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
NETWORK_PRIORS = {f"splatdream-{kind}-prior" for kind in ("stable-diffusion", "mvdream", "sdxl", "sd3", "flux")}
ALL = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONFIGS.glob("*.yaml"))}
REAL = {
    name: config
    for name, config in ALL.items()
    if config["system_type"] == "splatdream-system" and config["system"]["guidance"].get("prior_type") in NETWORK_PRIORS
}
SECOND_STAGES = {
    name: config
    for name, config in ALL.items()
    if config["system_type"] == "splatdream-texture-system"
    and config["system"]["guidance"].get("prior_type") in NETWORK_PRIORS
    and config["system"]["guidance_type"] == "splatdream-guidance"
}
# The small priors that come with this package are no real checkpoints, and were run.
PUBLISHED = [
    name
    for name, config in (REAL | SECOND_STAGES).items()
    if not config["system"]["guidance"]["prior"]["model"].startswith("toybox-")
]
SHORT = (
    "trainer.max_steps=2",
    "data.eval_width=16",
    "data.eval_height=16",
    "data.num_test_views=2",
    "system.export_after_training=false",
    "system.guidance.prior.image_size=32",
)
SMALL = {
    "splatdream-gaussians": ("system.geometry.num_points=300",),
    "splatdream-gaussian-particles": ("system.geometry.num_points=300",),
    "splatdream-field": (
        "system.geometry.num_levels=2",
        "system.geometry.first_levels=0",
        "system.geometry.finest=16",
        "system.geometry.occupancy_resolution=12",
        "system.geometry.step_size=0.1",
    ),
    "splatdream-textured-mesh": (
        "system.geometry.target_faces=200",
        "system.geometry.texture_size=64",
        "data.width=[32]",
        "data.height=[32]",
    ),
}
"""By the kind of asset."""
# Evaluations of the denoiser a view in each of the first two steps, by hand from the table in docs/methods.md.
EVALUATIONS = {
    "cfd": 2,
    "dreamfusion": 2,
    "magic3d": 2,
    "prolificdreamer": 2 + 1 + 2,
    "csd": (2 + 3) / 2,  # negative_weight is 1 in the first step and less in the second
    "dreamgaussian": 2,
    "flux-gaussian": 1 + 2,
    "gaussian-sds": 2,
    "gaussian-sds-12gb": 2,
    "gaussiandreamer": 2,
    "mvdream-gaussian": 2,
    "nfsd": 3,
    "quickstart-flow": 2,
    "quickstart-mvdream": 2,
    "quickstart-sd": 2,
    "sds-bridge": 2,
    "sd3-gaussian": 2,
    "sdxl-gaussian": 2,
    # A guided prediction, one of the learned score, and a training step of it.
    "vsd-gaussian": 2 + 1 + 2,
    "vsd-particles": 2 + 1 + 2,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Tiny pipelines by the prior that reads them, and a tiny CLIP."""
    folder = tmp_path_factory.mktemp("tiny-models")
    return {
        "splatdream-stable-diffusion-prior": tiny_models.make_tiny_stable_diffusion(folder / "sd"),
        "splatdream-mvdream-prior": tiny_models.make_tiny_mvdream(folder / "mvdream"),
        "clip": tiny_models.make_tiny_clip(folder / "clip"),
        "splatdream-sdxl-prior": tiny_models.make_tiny_sdxl(folder / "sdxl"),
        "splatdream-sd3-prior": tiny_models.make_tiny_sd3(folder / "sd3", has_t5=False),
        "splatdream-flux-prior": tiny_models.make_tiny_flux(folder / "flux"),
        "splatdream-zero123-prior": tiny_models.make_tiny_zero123(folder / "zero123"),
    }


def test_every_method_has_a_configuration():
    methods = {config["system"]["guidance"]["method"] for config in REAL.values()}
    others = {"rfds", "rfds_rev", "x0_reconstruction", "asd", "sds_bridge", "cfd"}
    assert methods == {"sds", "csd", "nfsd", "ism", "sdi", "vsd"} | others


@pytest.fixture(scope="session")
def starts(tmp_path_factory):
    """What makes an initialization by a network tiny, by its name."""
    folder = make_tiny_shap_e(tmp_path_factory.mktemp("tiny-starts") / "shap-e")
    return {"shap-e": [f"system.geometry.shap_e.{key}" for key in (f"model={folder}", "steps=2", "resolution=16")]}


@pytest.fixture
def under_threestudio(tmp_path):
    """Runs a command under threestudio's own launch.py, in a process of its own; returns its exit code."""
    if "THREESTUDIO_ROOT" not in os.environ:
        pytest.skip("set THREESTUDIO_ROOT to a checkout of threestudio 0.2.3")
    (tmp_path / "custom").symlink_to(ROOT / "custom")

    def launched(arguments):
        script = ROOT / "tests" / "host" / "upstream_on_cpu.py"
        command = [sys.executable, str(script), os.environ["THREESTUDIO_ROOT"], *arguments]
        ended = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"SPLATDREAM_HOST": "upstream"}, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-3000:]
        return ended.returncode

    return launched


@pytest.fixture(params=["embedded", pytest.param("upstream", marks=pytest.mark.upstream)])
def launch(request):
    """Runs a command under a host; returns its exit code."""
    if request.param == "embedded":
        return lambda arguments: main([*arguments, "trainer.enable_progress_bar=false"])
    return request.getfixturevalue("under_threestudio")


@pytest.mark.parametrize("name", REAL)
def test_a_configuration_for_real_checkpoints_runs_with_a_tiny_one(name, launch, models, starts, tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    model = models[REAL[name]["system"]["guidance"]["prior_type"]]
    command = ["--config", str(CONFIGS / f"{name}.yaml"), "--train", f"system.guidance.prior.model={model}", *SHORT]
    command += SMALL[REAL[name]["system"]["geometry_type"]]
    if "reward_type" in REAL[name]["system"]["guidance"]:
        command.append(f"system.guidance.reward.model={models['clip']}")
    command += starts.get(REAL[name]["system"]["geometry"].get("initialization"), [])
    assert launch([*command, f"exp_root_dir={tmp_path}", "use_timestamp=false", "tag=trial"]) == 0
    trial = tmp_path / name / "trial"
    weights = torch.load(trial / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(tensor.isfinite().all() for tensor in weights.values())
    manifest = json.loads((trial / "save" / "manifest.json").read_text())
    assert manifest["status"] == "finished" and manifest["steps"] == 2
    views = 2 * REAL[name]["data"]["batch_size"]
    if name in EVALUATIONS:
        assert manifest["denoiser_evaluations"] == views * EVALUATIONS[name]
    else:
        assert manifest["denoiser_evaluations"] >= 2 * views


@pytest.mark.parametrize("name", SECOND_STAGES)
def test_a_second_stage_paints_the_surface_of_a_field(name, launch, models, tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    write_field(tmp_path / "field.safetensors", gray_sphere())
    model = models[SECOND_STAGES[name]["system"]["guidance"]["prior_type"]]
    command = ["--config", str(CONFIGS / f"{name}.yaml"), "--train", f"system.guidance.prior.model={model}", *SHORT]
    command += [*SMALL["splatdream-textured-mesh"], f"system.geometry.source={tmp_path / 'field.safetensors'}"]
    assert launch([*command, f"exp_root_dir={tmp_path}", "use_timestamp=false", "tag=trial"]) == 0
    manifest = json.loads((tmp_path / name / "trial" / "save" / "manifest.json").read_text())
    assert manifest["status"] == "finished" and manifest["num_faces"] > 100


def photographs(folder):
    cameras = spiral_cameras(5, 24)
    write_views(
        folder, PosedImages(photographed("a red cube", cameras), cameras, tuple(f"{view}.png" for view in range(5)))
    )
    return folder


def of_a_picture(folder, models):
    """What a prior that is told a picture needs."""
    photographs(folder)
    return f"system.guidance.prior.model={models['splatdream-zero123-prior']}", folder / "0.png"


def settings_of_a_fit(folder, models):
    return [f"system.guidance.folder={photographs(folder)}", *SMALL["splatdream-gaussians"]]


def settings_of_drawn_views(folder, models):
    model = f"system.guidance.prior.model={models['splatdream-mvdream-prior']}"
    return [model, "system.guidance.prior.image_size=32", "system.guidance.num_steps=2", *SMALL["splatdream-gaussians"]]


def settings_of_a_picture(folder, models):
    model, picture = of_a_picture(folder, models)
    small = ["data.width=[32]", "data.height=[32]", "data.resolution_milestones=[]", "data.batch_size=1"]
    return [model, f"system.picture.path={picture}", "system.picture.fill=0", *small, *SMALL["splatdream-gaussians"]]


def settings_of_a_painting(folder, models):
    model, picture = of_a_picture(folder, models)
    write_field(folder / "field.safetensors", gray_sphere())
    source = f"system.geometry.source={folder / 'field.safetensors'}"
    steps = "system.guidance.num_steps=2"
    return [model, f"system.guidance.prior.picture.path={picture}", source, steps, *SMALL["splatdream-textured-mesh"]]


def settings_of_a_field(folder, models):
    return [*SMALL["splatdream-field"], "data.width=[16]", "data.height=[16]", "data.resolution_milestones=[]"]


@pytest.mark.upstream
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("fit", settings_of_a_fit),
        ("sample-then-fit", settings_of_drawn_views),
        ("zero123", settings_of_a_picture),
        ("zero123-texture", settings_of_a_painting),
        ("quickstart-nerf", settings_of_a_field),
    ],
)
def test_other_systems_run_under_threestudio(name, settings, under_threestudio, models, tmp_path, monkeypatch):
    # Under the embedded host they have tests of their own.
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    short = [setting for setting in SHORT if not setting.startswith("system.guidance.prior.")]
    command = ["--config", str(CONFIGS / f"{name}.yaml"), "--train", *short, *settings(tmp_path / "views", models)]
    assert under_threestudio([*command, f"exp_root_dir={tmp_path}", "use_timestamp=false", "tag=trial"]) == 0
    manifest = json.loads((tmp_path / name / "trial" / "save" / "manifest.json").read_text())
    assert manifest["status"] == "finished" and manifest["steps"] == 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_configuration_for_real_checkpoints_says_that_it_was_not_run_with_them(name):
    header = [line for line in (CONFIGS / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    text = " ".join(line.removeprefix("#").strip() for line in header)
    for statement in ("Not run with real weights.", "an estimate", "not measured", "From:", "guidance_scale"):
        assert statement in text, f"{name}.yaml does not say {statement!r}"
