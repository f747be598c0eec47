"""A prior of another kind of noise process is one class and one line that registers it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.gaussians.ply import read_ply
from splatdream.guidance.guidance import Guidance
from splatdream.host import BaseObject, register
from splatdream.priors.base import DiffusionPrior
from splatdream.priors.noise_process import RectifiedFlow
from splatdream.priors.null_prior import NoCondition
from splatdream.prompts.view_prompts import make_view_prompts
from splatdream.startup.launching import main

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"
COLOR = (0.9, 0.5, 0.1)
PROMPTS = make_view_prompts("orange")


class OneColorFlow(DiffusionPrior):
    """Rectified flow whose network knows one color, up to round noise of deviation `width`."""

    def __init__(self, width):
        self.schedule = RectifiedFlow.shifted(3.0)
        self._width = width

    def encode_texts(self, texts):
        return NoCondition(len(texts))

    def encode_images(self, rgb):
        return rgb.movedim(-1, 1)

    def decode_latents(self, latents):
        return latents.movedim(1, -1)

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        a, s = self.schedule.signal_and_noise_scales(timesteps, noisy_latents)
        mean = noisy_latents.new_tensor(COLOR).view(3, 1, 1)
        slope = (s - a * self._width**2) / (a**2 * self._width**2 + s**2)
        velocity = slope * (noisy_latents - a * mean) - mean
        return self.schedule.clean_and_noise(noisy_latents, velocity, timesteps)[1]


@register("test-flow-prior")
class RegisteredFlowPrior(BaseObject):
    @dataclass
    class Config(BaseObject.Config):
        width: float = 0.0
        """Deviation of the images from their one color."""

    def __call__(self):
        return OneColorFlow(self.cfg.width)


@pytest.mark.parametrize("width", [0.0, 0.5])
@pytest.mark.parametrize(("weighting", "weight"), [("sigma_squared", 0.75**2), ("noise_to_signal", 3.0)])
def test_sds_on_a_flow_is_the_known_pull_toward_the_data(width, weighting, weight):
    guidance = Guidance(
        {
            "prior_type": "test-flow-prior",
            "prior": {"width": width},
            "weighting": weighting,
            "min_step_fraction": 0.5,
            "max_step_fraction": 0.5,
            "gradient_scale_steps": 0,
        }
    )
    rgb = torch.full((512, 4, 4, 3), 0.3, requires_grad=True)
    batch = orbit_cameras([10.0] * 512, [0.0] * 512, width=4, height=4).to_batch()
    guidance(rgb, PROMPTS, **batch)["loss_sds"].backward()
    gradient = rgb.grad * rgb.numel()
    # Halfway s is 3 / 4, for a shift of 3. The mean of E[noise | x_t] - noise over the noise is
    # s a (x - color) / (a^2 width^2 + s^2); without width it is that for every noise.
    a, s = 0.25, 0.75
    expected = weight * s * a * (0.3 - torch.tensor(COLOR)) / (a**2 * width**2 + s**2)
    if width == 0.0:
        torch.testing.assert_close(gradient, expected.expand_as(gradient), rtol=5e-3, atol=1e-3)
    torch.testing.assert_close(gradient.mean(dim=(0, 1, 2)), expected, rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("method", ["csd", "ism", "nfsd", "sdi", "sjc", "x0_reconstruction"])
def test_other_methods_run_on_a_flow(method):
    guidance = Guidance({"prior_type": "test-flow-prior", "method": method, "guidance_scale": 7.5})
    rgb = torch.full((2, 4, 4, 3), 0.3, requires_grad=True)
    batch = orbit_cameras([10.0] * 2, [0.0, 90.0], width=4, height=4).to_batch()
    guidance(rgb, PROMPTS, **batch)["loss_sds"].backward()
    assert rgb.grad.isfinite().all()


def test_a_whole_run_paints_gaussians_in_the_flows_color(tmp_path):
    config = tmp_path / "flow.yaml"
    text = TINY.read_text().replace("splatdream-closed-form-prior", "test-flow-prior")
    before, _, rest = text.partition("    prior:\n")
    config.write_text(before + "    min_step_fraction" + rest.partition("    min_step_fraction")[2])
    quiet = ("use_timestamp=false", "trainer.enable_progress_bar=false", "system.export_after_training=true")
    assert main(["--config", str(config), "--train", f"exp_root_dir={tmp_path}", "tag=flow", *quiet]) == 0
    save = tmp_path / "tiny" / "flow" / "save"
    assert json.loads((save / "manifest.json").read_text())["status"] == "finished"
    color = 0.5 + 0.28209479 * read_ply(save / "it20-export" / "cloud.ply").sh0.mean(dim=(0, 1))
    assert color[0] > 0.55 > color[1] > 0.45 > color[2]
