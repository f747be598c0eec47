"""The names of `import splatdream`, and the scripts of examples/."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import splatdream
import torch
from splatdream.rendering.cpu import rasterization

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *arguments: str) -> str:
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", splatdream._PUBLIC)
def test_every_public_name_is_there_and_explained(name):
    assert getattr(splatdream, name).__doc__ and name in dir(splatdream)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="rasterise"):
        _ = splatdream.rasterise


def test_rasterize_is_the_rasterizer_of_the_device():
    cloud = splatdream.ball(20, 0.5, torch.Generator().manual_seed(0))
    cameras = splatdream.orbit_cameras([10.0], [30.0], width=16, height=16)
    scene = (cloud.means, cloud.quats, cloud.scales, cloud.opacities, torch.rand(20, 3), cameras.viewmats, cameras.Ks)
    torch.testing.assert_close(splatdream.rasterize(*scene, 16, 16)[0], rasterization(*scene, 16, 16)[0])


def test_the_example_fits_gaussians_to_views(tmp_path):
    said = run("fit_gaussians.py", "60", str(tmp_path / "fit.ply"))
    losses = [float(line.split()[-1]) for line in said.splitlines() if "loss" in line]
    assert losses[-1] < losses[0] / 2
    assert len(splatdream.read_ply(tmp_path / "fit.ply")) == 1000


@pytest.mark.slow
def test_the_example_distills_with_a_loss_of_its_own(tmp_path):
    assert "|gradient|" in run("your_own_loss.py", "2", str(tmp_path / "sds.ply"))
    assert torch.isfinite(splatdream.read_ply(tmp_path / "sds.ply").means).all()
