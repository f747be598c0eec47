"""The benchmark of a training step runs everywhere, at tiny size."""

import json
import runpy
from pathlib import Path

import pytest

pytest.importorskip("diffusers")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "guidance_step.py"


def test_the_benchmark_of_a_step_writes_ratio_memory_and_breakdown(tmp_path):
    main = runpy.run_path(str(SCRIPT))["main"]
    output = tmp_path / "result.json"
    main(["--tiny", "--device", "cpu", "--steps", "1", "--warmup", "1", "--output", str(output)])
    cases = json.loads(output.read_text())["cases"]
    assert set(cases) == {"stable-diffusion", "mvdream"}
    for case in cases.values():
        # Four views, each with and without the text: what the unavoidable calls are made for.
        assert case["views"] == 4 and case["denoiser_evaluations"] == 8
        assert case["ratio"] == pytest.approx(case["step_seconds"] / case["unavoidable_seconds"])
        assert {"render", "encode images", "denoise", "backward", "optimizer"} <= set(case["seconds_by_stage"])
        assert case["peak_memory_bytes"]["process"] > 0
