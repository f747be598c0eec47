"""A new kind of asset is a file like this one: nothing in systems/ knows of it, and a whole run works with it."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from splatdream.assets.base import Asset
from splatdream.cameras.batch import CameraBatch
from splatdream.export.writing import written_by
from splatdream.host import Exporter, Renderer, register
from splatdream.startup.launching import main
from torch import nn

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


@register("test-soft-ball")
class SoftBall(Asset):
    """A ball about the origin of one color and one radius."""

    @dataclass
    class Config(Asset.Config):
        lr: float = 0.05
        """Of the color."""

    def configure(self) -> None:
        self.color = nn.Parameter(torch.full((3,), 0.5))
        self.log_radius = nn.Parameter(torch.tensor(-0.5))

    def params(self):
        return {"color": self.color, "log_radius": self.log_radius}

    def learning_rates(self, epoch, step):
        return {"color": self.cfg.lr, "log_radius": 0.01}

    def sizes(self):
        return {"balls": 1}

    def regularizers(self):
        return {"roundness": lambda rendered: self.log_radius.square()}

    @torch.no_grad()
    def after_step(self) -> None:
        self.color.clamp_(0, 1)


@register("test-ball-renderer")
class BallRenderer(Renderer):
    def forward(self, **batch):
        cameras = CameraBatch.from_batch(batch)
        directions = nn.functional.normalize(cameras.ray_directions, dim=-1)
        center = -cameras.positions[:, None, None]
        along = (center * directions).sum(-1, keepdim=True)
        miss = (center - along * directions).norm(dim=-1, keepdim=True)
        alpha = torch.sigmoid(20 * (self.geometry.log_radius.exp() - miss))
        background = self.background(dirs=cameras.ray_directions)
        rgb = alpha * self.geometry.color + (1 - alpha) * background
        return {"comp_rgb": rgb, "comp_rgb_bg": background, "opacity": alpha}


def write_json(path, values) -> None:
    Path(path).write_text(json.dumps(values))


@register("test-ball-exporter")
class BallExporter(Exporter):
    def __call__(self):
        values = {name: parameter.tolist() for name, parameter in self.geometry.params().items()}
        return [written_by("ball.json", partial(write_json, values=values))]


@pytest.fixture
def config(tmp_path) -> Path:
    config = yaml.safe_load(TINY.read_text())
    del config["system"]["densification"]
    config["system"] |= {
        "geometry_type": "test-soft-ball",
        "geometry": {},
        "renderer_type": "test-ball-renderer",
        "exporter_type": "test-ball-exporter",
        "exporter": {},
        "loss": {"lambda_sds": 1.0, "lambda_roundness": 0.1},
    }
    path = tmp_path / "ball.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def launch(config: Path, folder: Path, *overrides: str) -> int:
    fixed = (
        "use_timestamp=false",
        "trainer.enable_progress_bar=false",
        "trainer.max_steps=6",
        f"exp_root_dir={folder}",
    )
    return main(["--config", str(config), "--train", *fixed, *overrides])


def test_a_new_asset_trains_and_leaves_pictures_exports_and_a_manifest(config, tmp_path):
    assert launch(config, tmp_path) == 0
    trial = tmp_path / "tiny" / "an_orange_cat"
    for name in ("it6-test-contact-sheet.png", "it6-test.mp4", "it6-test.html"):
        assert (trial / "save" / name).stat().st_size > 0, name
    manifest = json.loads((trial / "save" / "manifest.json").read_text())
    assert (manifest["status"], manifest["steps"], manifest["num_balls"]) == ("finished", 6, 1)
    assert manifest["prior"]["name"] == "closed-form"
    exported = json.loads((trial / "save" / "it6-export" / "ball.json").read_text())
    weights = torch.load(trial / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]
    torch.testing.assert_close(torch.tensor(exported["color"]), weights["geometry.color"])
    assert not torch.allclose(weights["geometry.color"], torch.full((3,), 0.5))
    # Nothing to show in a browser: the page about the run has no viewer, and says how large the asset is.
    page = (trial / "save" / "it6-test.html").read_text()
    assert "<iframe" not in page and "Balls" in page


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("system.densification.refine_every=5", "system.densification is not read: SoftBall keeps its parameters"),
        ("system.loss.lambda_opacity=1", "lambda_opacity belongs to no loss; regularizers are lambda_roundness"),
    ],
)
def test_settings_that_the_asset_does_not_have_are_refused(config, tmp_path, capsys, override, sentence):
    assert launch(config, tmp_path, override) == 1
    assert sentence in capsys.readouterr().err
