"""The choice between strategies, their options, and whole runs under them."""

import dataclasses
import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.cameras.batch import orbit_cameras
from splatdream.densification.strategies import STRATEGIES, strategy_of
from splatdream.gaussians.initialization import ball
from splatdream.rendering.render import render
from splatdream.startup.launching import main
from torch import nn

ROOT = Path(__file__).parents[2]


def geometry(num_points: int = 5) -> GaussianGeometry:
    return GaussianGeometry({"num_points": num_points, "initial_scale": 0.2})


def test_without_a_choice_the_gradient_decides():
    assert strategy_of({}).name == strategy_of({"refine_every": 5}).name == "gradient"
    subject = geometry()
    subject.refinement({}, seed=0)
    assert not subject.reads_absgrad


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"strategy": "mmc"}, "strategy 'mmc' is unknown; choose one of gradient, absgrad, mcmc"),
        ({"strategy": "mcmc", "split_scale": 0.1}, "split_scale is an option of gradient and absgrad, not of mcmc"),
        ({"growth": 0.1}, "growth is an option of mcmc, not of gradient"),
        ({"strategy": "mcmc", "growth": 2.0}, "growth is 2.0, but must be 0 to 1 .*; the default is 0.05"),
        ({"strategy": "mcmc", "noise_lr": -1.0}, "noise_lr is -1.0, but must be at least 0"),
        ({"strategy": "mcmc", "refine_every": 0}, "refine_every is 0, but must be at least 1"),
        ({"strategy": "absgrad", "gradient_threshold": -1.0}, "gradient_threshold is -1.0"),
        ({"min_opacity": 1.5, "opacity_reset_to": 2.0}, "min_opacity is 1.5, but must be 0 to 1"),
        ({"strategy": "mcmc", "refine_evry": 3}, "refine_every"),
    ],
)
def test_a_setting_that_no_run_could_use_is_refused_when_the_asset_is_built(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        geometry().refinement(settings, seed=0)


def test_a_variant_takes_back_what_its_base_gives_with_null():
    refinement = geometry().refinement({"strategy": "mcmc", "gradient_threshold": None, "growth": 0.2}, seed=0)
    assert refinement.config.growth == 0.2
    # Null of a strategy's own stays what it is.
    geometry().refinement({"max_scale": None}, seed=0)


def test_the_documents_list_every_strategy_and_option():
    text = (ROOT / "docs" / "densification.md").read_text()
    for name, strategy in STRATEGIES.items():
        assert f"| `{name}` | {strategy.paper} |" in text
        for option in dataclasses.fields(strategy.config_class):
            assert f"`{option.name}`" in text, option.name


def seen_by(strategy: str, loss_of: object, size: int = 24) -> tuple[torch.Tensor, GaussianGeometry, dict]:
    """Mean norms that a strategy remembers after a step of two views, through a rendering as training does it."""
    subject = geometry()
    refinement = subject.refinement({"strategy": strategy}, seed=0)
    cameras = orbit_cameras([0.0, 20.0], [0.0, 90.0], width=size, height=size)
    output = render(subject.cloud(), cameras, torch.zeros(2, 3), 0, absgrad=subject.reads_absgrad)
    loss_of(output.rgb).backward()
    rendered = {"means2d": output.means2d, "radii": output.radii}
    refinement.accumulate(1, rendered, cameras.to_batch())
    return refinement.state_dict()["statistics"], subject, rendered


@pytest.mark.parametrize("strategy", ["gradient", "absgrad"])
def test_statistics_are_those_of_gsplat(strategy, generator):
    gsplat = pytest.importorskip("gsplat")
    weights = torch.randn(2, 24, 24, 3, generator=generator)
    statistics, _, rendered = seen_by(strategy, lambda rgb: (weights * rgb).mean())
    theirs = {"grad2d": None, "count": None, "scene_scale": 1.0}
    means2d = SimpleNamespace(grad=rendered["means2d"].grad, absgrad=getattr(rendered["means2d"], "absgrad", None))
    info = {"width": 24, "height": 24, "n_cameras": 2, "radii": rendered["radii"], "gaussian_ids": None}
    gsplat.DefaultStrategy(absgrad=strategy == "absgrad")._update_state(
        {"means": torch.zeros(5, 3)}, theirs, info | {"means2d": means2d}
    )
    torch.testing.assert_close(statistics["gradient_norm_sums"], theirs["grad2d"])
    torch.testing.assert_close(statistics["view_counts"], theirs["count"])


def test_absgrad_sees_what_pulls_to_both_sides():
    # The picture should be brighter on both sides of the middle: pulls on a Gaussian there cancel (AbsGS, fig. 3).
    def loss(rgb: torch.Tensor) -> torch.Tensor:
        return -(rgb * torch.linspace(-1, 1, 24).abs()[None, None, :, None]).mean()

    def norms(strategy: str) -> torch.Tensor:
        subject = GaussianGeometry({"num_points": 1, "initial_radius": 1e-6, "initial_scale": 0.3})
        refinement = subject.refinement({"strategy": strategy}, seed=0)
        cameras = orbit_cameras([0.0], [0.0], width=24, height=24)
        output = render(subject.cloud(), cameras, torch.zeros(1, 3), 0, absgrad=subject.reads_absgrad)
        loss(output.rgb).backward()
        refinement.accumulate(1, {"means2d": output.means2d, "radii": output.radii}, cameras.to_batch())
        return refinement.state_dict()["statistics"]["gradient_norm_sums"]

    assert norms("absgrad") > 100 * norms("gradient")


def launch(folder: Path, tag: str, *overrides: str, config: Path = ROOT / "configs" / "tiny.yaml") -> dict:
    fixed = (
        f"exp_root_dir={folder}",
        f"tag={tag}",
        "use_timestamp=false",
        "trainer.enable_progress_bar=false",
        "trainer.limit_val_batches=0",
        "data.num_test_views=1",
        "system.exporter.formats=[ply]",
        "system.exporter.save_video=false",
        "system.densification.refine_from=2",
        "system.densification.refine_every=2",
    )
    assert main(["--config", str(config), "--train", *fixed, *overrides]) == 0
    return torch.load(folder / "tiny" / tag / "ckpts" / "last.ckpt", weights_only=True)


def test_a_run_by_absolute_gradients_grows(tmp_path):
    options = ("strategy=absgrad", "gradient_threshold=1e-4")
    grown = launch(tmp_path, "grown", *(f"system.densification.{option}" for option in options), "trainer.max_steps=3")
    assert len(grown["state_dict"]["geometry.means"]) > 200


def test_a_resumed_run_relocates_like_the_uninterrupted_one(tmp_path):
    # The cloud starts at 0.1: what fell in the first three steps counts as transparent.
    options = ("strategy=mcmc", "growth=0.2", "min_opacity=0.09")
    overrides = tuple(f"system.densification.{option}" for option in options)
    overrides += ("trainer.max_steps=7", "checkpoint.every_n_train_steps=3")
    whole = launch(tmp_path, "whole", *overrides)
    (third,) = (tmp_path / "tiny" / "whole" / "ckpts").glob("*step=3.ckpt")
    resumed = launch(tmp_path, "resumed", *overrides, f"resume={third}")
    assert 200 < len(whole["state_dict"]["geometry.means"]) <= 300
    for name, tensor in whole["state_dict"].items():
        assert torch.equal(tensor, resumed["state_dict"][name]), name
    states = (checkpoint["optimizer_states"][0]["state"].values() for checkpoint in (whole, resumed))
    for a, b in zip(*states, strict=True):
        assert torch.equal(a["exp_avg"], b["exp_avg"]) and torch.equal(a["exp_avg_sq"], b["exp_avg_sq"])


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(STRATEGIES, 2)))
def test_a_strategy_does_not_continue_with_what_another_one_summed_up(before, after):
    def refinement_of(strategy):
        cloud = ball(5, 0.5, torch.Generator().manual_seed(0))
        params = {name: nn.Parameter(tensor) for name, tensor in cloud.tensors().items()}
        declared = STRATEGIES[strategy]
        return declared.refinement(declared.config_class(strategy=strategy), 0, params)

    state = refinement_of(before).state_dict()
    refinement_of(before).load_state_dict(state)
    with pytest.raises(ValueError, match=rf"strategy={before}, and {after} is asked for: resume with {before}"):
        refinement_of(after).load_state_dict(state)
