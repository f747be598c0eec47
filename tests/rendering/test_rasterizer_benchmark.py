"""The commands that docs/rasterizer.md names run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_the_benchmark_writes_numbers_and_a_plot(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, BENCHMARKS / "rasterizer.py", "--gaussians", "50", "--pixels", "16", "--reference"]
    command += ["--seconds", "0.05", "--memory", "--threads", "2"]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    command += ["--docs", page, "--json", tmp_path / "report.json", "--plot", tmp_path / "plot.png"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    (case,) = json.loads((tmp_path / "report.json").read_text())["cases"]
    assert case["gaussians"] == 50
    assert case["forward"]["splatdream"]["min"] < case["forward"]["reference"]["min"]
    assert (tmp_path / "plot.png").stat().st_size > 1000
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "\nold\n" not in text
    assert "| 50 | " in text and "With 2 threads" in text
