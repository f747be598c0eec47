"""Several clouds in one run: each step trains one of them, one alone is an ordinary run, and all are exported."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from splatdream.assets.gaussian_particles import GaussianParticles
from splatdream.gaussians.ply import read_ply
from splatdream.startup.launching import main

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"
QUIET = ("use_timestamp=false", "trainer.enable_progress_bar=false", "trainer.val_check_interval=1000")
SHORT = ("data.num_test_views=1", "trainer.limit_val_batches=0", "system.exporter.formats=[ply]")
SEVERAL = "system.geometry_type=splatdream-gaussian-particles"


def make(**cfg):
    return GaussianParticles({"num_points": 20, "num_particles": 3, **cfg})


def train(folder, tag, *overrides):
    paths = (f"exp_root_dir={folder}", f"tag={tag}")
    assert main(["--config", str(TINY), "--train", *QUIET, *SHORT, *paths, *overrides]) == 0
    return folder / "tiny" / tag


def weights(trial):
    return torch.load(trial / "ckpts" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_a_step_trains_one_particle_and_in_time_all_alike():
    asset = make()
    starts = [particle.means.detach().clone() for particle in asset.particles]
    assert not torch.equal(starts[0], starts[1]) and not torch.equal(starts[1], starts[2])
    trained = Counter()
    for step in range(600):
        asset.update_step(0, step)
        (index,) = [index for index, start in enumerate(starts) if torch.equal(asset.cloud().means, start)]
        trained[index] += 1
    assert all(150 < trained[index] < 250 for index in range(3))
    asset.cloud().means.sum().backward()
    assert [particle.means.grad is None for particle in asset.particles].count(False) == 1


def test_what_is_shown_is_the_first_whatever_is_trained():
    asset = make().eval()
    for step in range(10):
        asset.update_step(0, step)
        assert torch.equal(asset.cloud().means, asset.particles[0].means)


def test_no_particle_at_all_is_refused():
    with pytest.raises(ValueError, match="num_particles is 0, but must be at least 1"):
        make(num_particles=0)


def test_one_particle_is_an_ordinary_run(tmp_path):
    steps = ("trainer.max_steps=10", "system.export_after_training=false")
    plain = weights(train(tmp_path, "plain", *steps))
    alone = weights(train(tmp_path, "alone", *steps, SEVERAL, "system.geometry.num_particles=1"))
    assert all(
        torch.equal(tensor, alone[name.replace("geometry.", "geometry.particles.0.")]) for name, tensor in plain.items()
    )


def test_all_are_refined_exported_and_resumed_bit_by_bit(tmp_path):
    several = (SEVERAL, "system.geometry.num_particles=3")
    whole = train(tmp_path, "whole", *several, "trainer.max_steps=10")
    half = train(tmp_path, "half", *several, "trainer.max_steps=6")
    resume = f"resume={half / 'ckpts' / 'last.ckpt'}"
    resumed = weights(train(tmp_path, "half", *several, "trainer.max_steps=10", resume))
    final = weights(whole)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in final.items())
    folder = whole / "save" / "it10-export"
    clouds = [read_ply(folder / name) for name in ("cloud.ply", "particle-1-cloud.ply", "particle-2-cloud.ply")]
    for index, cloud in enumerate(clouds):
        assert len(cloud) == len(final[f"geometry.particles.{index}.means"])
    # The refinement after step 8 changed each cloud by itself.
    assert len({len(cloud) for cloud in clouds}) > 1 or any(len(cloud) != 200 for cloud in clouds)


def test_a_strategy_that_shakes_at_every_step_is_refused():
    with pytest.raises(ValueError, match="mcmc is for one cloud"):
        make().refinement({"strategy": "mcmc"}, seed=0)
