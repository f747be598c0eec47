"""The measurement of a training step runs everywhere, at tiny size."""

import pytest
from splatdream.gpu_suite.part import Settings

pytest.importorskip("diffusers")

from splatdream.gpu_suite import guidance_step
from splatdream.priors.latent_diffusion import NetworkOptions


@pytest.mark.parametrize("name", guidance_step.CASES)
def test_a_step_has_a_ratio_memory_a_breakdown_and_another_shape(name, tmp_path):
    settings = Settings(tmp_path, is_smoke=True)
    case = guidance_step.measure_case(guidance_step.CASES[name], settings, NetworkOptions(), is_detailed=True)
    # Four views, each with and without the text: what the unavoidable calls are made for.
    assert case["views"] == 4 and case["denoiser_evaluations"] == 8
    assert case["ratio"] == pytest.approx(case["step_seconds"] / case["unavoidable_seconds"])
    assert {"render", "encode images", "denoise", "backward", "optimizer"} <= set(case["seconds_by_stage"])
    assert case["peak_memory_bytes"]["process"] > 0
    assert case["camera_by_camera_step_seconds"] > 0 and case["profile"]["synchronizations"] == 0
