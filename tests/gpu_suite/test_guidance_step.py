"""The measurement of a training step runs everywhere, at tiny size."""

from pathlib import Path

import pytest
import torch
import yaml
from splatdream.gpu_suite.part import Results, Settings

pytest.importorskip("diffusers")

from splatdream.gpu_suite import guidance_step
from splatdream.gpu_suite.random_priors import build_prior
from splatdream.priors.latent_diffusion import NetworkOptions

ALL_CASES = guidance_step.CASES | guidance_step.LARGE_CASES
FIRST_RUN = Path(__file__).parents[2] / "docs" / "first-run-on-your-gpu.md"


@pytest.mark.parametrize("name", ALL_CASES)
def test_a_step_has_a_ratio_memory_a_breakdown_and_another_shape(name, tmp_path):
    settings, expected = Settings(tmp_path, is_smoke=True), ALL_CASES[name]
    case = guidance_step.measure_case(name, expected, settings, NetworkOptions(), is_detailed=True)
    # Each view with and without the text: what the unavoidable calls are made for.
    assert case["views"] == expected.views and case["denoiser_evaluations"] == 2 * expected.views
    assert case["ratio"] == pytest.approx(case["step_seconds"] / case["unavoidable_seconds"])
    assert {"render", "encode images", "denoise", "backward", "optimizer"} <= set(case["seconds_by_stage"])
    assert case["peak_memory_bytes"]["process"] > 0
    assert case["camera_by_camera_step_seconds"] > 0 and case["profile"]["synchronizations"] == 0


@pytest.mark.parametrize(("name", "billions"), [("stable-diffusion", 0.866), ("sdxl", 2.567), ("sd3", 2.028)])
def test_networks_have_the_published_size(name, billions):
    prior = build_prior(name, ALL_CASES[name].image_size, False, NetworkOptions(), torch.device("meta"))
    count = sum(weight.numel() for weight in prior.network.parameters())
    assert count == pytest.approx(billions * 1e9, rel=0.002)


def test_the_unavoidable_denoiser_call_is_that_of_a_step(tmp_path):
    prior = build_prior("sdxl", 64, True, NetworkOptions(), torch.device("cpu"))
    step = guidance_step.Step(ALL_CASES["sdxl"], prior, 300, "cpu")
    network = prior.network
    asked = guidance_step.UnavoidableCalls(step, "cpu").call
    # One view, with and without the text, of 64 pixels.
    assert asked[0][0].shape == (2, 4, 8, 8) and set(asked[1]["added_cond_kwargs"]) == {"text_embeds", "time_ids"}
    assert prior.network is network


@pytest.mark.parametrize("name", ALL_CASES)
def test_peak_memory_is_compared_with_the_table_of_the_documentation(name):
    case = ALL_CASES[name]
    rows = [row.split("|") for row in FIRST_RUN.read_text().splitlines() if row.startswith(f"| `{case.config}.yaml`")]
    assert [row[4].strip() for row in rows] == [f"{case.table_gb} GB"]
    config = yaml.safe_load((FIRST_RUN.parents[1] / "configs" / f"{case.config}.yaml").read_text())
    assert config["data"]["batch_size"] == case.views
    assert config["system"]["guidance"]["method"] == case.guidance["method"]


def test_what_does_not_fit_into_the_gpu_is_said_and_the_rest_is_measured(tmp_path, monkeypatch):
    def measured(name, *args, **kwargs):
        if name == "sdxl":
            raise torch.cuda.OutOfMemoryError
        return {"ratio": 1.0}

    monkeypatch.setattr(guidance_step, "measure_case", measured)
    results = Results(tmp_path / "large.json")
    guidance_step.measure_large(Settings(tmp_path, is_smoke=True), results)
    assert "does not fit" in results.content["sdxl"] and results.content["sd3"] == {"ratio": 1.0}
