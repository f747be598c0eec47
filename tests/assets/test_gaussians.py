"""The geometry noun: state dict, schedules, first states, conversions."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from splatdream.assets.gaussians import RAW_NAMES, GaussianGeometry
from splatdream.gaussians.composition import with_sh_degree
from splatdream.gaussians.optimizer_groups import parameter_groups
from splatdream.gaussians.ply import write_compressed_ply, write_ply
from splatdream.gaussians.ply_format import ply_bytes
from splatdream.gaussians.row_surgery import append_rows, select_rows
from splatdream.gaussians.spherical_harmonics import sh0_to_rgb
from torch import nn


def make(**cfg: object) -> GaussianGeometry:
    return GaussianGeometry(OmegaConf.create({"num_points": 20, **cfg}))


def test_a_checkpoint_holds_the_raw_tensors_under_the_name_of_the_geometry():
    system = nn.Module()
    system.geometry = make(sh_degree=1)
    assert set(system.state_dict()) == {f"geometry.{name}" for name in (*RAW_NAMES, "filter_scale")}


def test_a_checkpoint_of_any_number_of_rows_loads_strictly():
    system, other = nn.Module(), nn.Module()
    system.geometry, other.geometry = make(num_points=7, sh_degree=2), make(num_points=31, sh_degree=2, seed=1)
    system.load_state_dict(other.state_dict(), strict=True)
    for name in RAW_NAMES:
        assert torch.equal(getattr(system.geometry, name), getattr(other.geometry, name))
    assert len(system.geometry.cloud()) == 31


def test_a_checkpoint_that_does_not_fit_is_refused():
    geometry = make(sh_degree=0)
    with pytest.raises(RuntimeError, match="shN"):
        geometry.load_state_dict(make(sh_degree=1).state_dict())
    uneven = {**geometry.state_dict(), "means": torch.zeros(3, 3)}
    with pytest.raises(RuntimeError, match="same number of rows"):
        geometry.load_state_dict(uneven)
    with pytest.raises(RuntimeError, match="Missing key"):
        geometry.load_state_dict({name: value for name, value in make().state_dict().items() if name != "quats"})


def test_row_surgery_on_the_view_changes_the_module_and_its_optimizer():
    geometry = make()
    optimizer = torch.optim.Adam(parameter_groups(geometry.params(), geometry.learning_rates(0, 0)))
    select_rows(geometry.params(), optimizer, torch.arange(5))
    append_rows(geometry.params(), optimizer, make(num_points=2).cloud())
    assert len(geometry.cloud()) == 7
    assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {
        id(p) for p in geometry.parameters()
    }
    with pytest.raises(KeyError):
        geometry.params()["dummy"] = nn.Parameter(torch.zeros(1))
    with pytest.raises(TypeError, match="cannot be removed"):
        del geometry.params()["means"]


def test_gradients_reach_the_parameters_through_the_cloud():
    geometry = make()
    geometry.cloud().opacities.sum().backward()
    opacity = geometry.cloud().opacities.detach()
    torch.testing.assert_close(geometry.opacity_logits.grad, opacity * (1 - opacity))


def test_learning_rates_fall_on_a_logarithm_in_named_groups():
    geometry = make(position_lr=[0, 1e-2, 1e-4, 100], opacity_lr=0.03)
    groups = {
        group["name"]: group["lr"] for group in parameter_groups(geometry.params(), geometry.learning_rates(0, 0))
    }
    assert set(groups) == set(RAW_NAMES)
    assert groups["means"] == pytest.approx(1e-2) and groups["opacity_logits"] == pytest.approx(0.03)
    assert geometry.learning_rates(0, 50)["means"] == pytest.approx(1e-3)
    assert geometry.learning_rates(0, 1000)["means"] == pytest.approx(1e-4)


def test_the_rendered_degree_depends_on_the_step_alone():
    geometry = make(sh_degree=2, sh_degree_every=100)
    assert geometry.active_sh_degree == 0
    for step, degree in ((250, 2), (99, 0), (100, 1), (100, 1), (10**6, 2)):
        geometry.update_step(0, step)
        assert geometry.active_sh_degree == degree
    assert make(sh_degree=2).active_sh_degree == 2


def test_the_seed_decides_the_ball_and_nothing_else_is_drawn_from():
    state = torch.get_rng_state()
    first, second, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(first.means, second.means) and not torch.equal(first.means, other.means)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("write", [write_ply, write_compressed_ply])
def test_a_ply_of_gaussians_is_a_beginning(write, tmp_path):
    cloud = make(num_points=9, sh_degree=1, initial_opacity=0.4).cloud()
    path = write(tmp_path / "cloud.ply", cloud)
    geometry = make(initialization=str(path), sh_degree=2)
    assert geometry.cloud().sh_degree == 2 and len(geometry.cloud()) == 9
    torch.testing.assert_close(geometry.cloud().opacities, torch.full((9,), 0.4), atol=0.003, rtol=0)


def test_a_ply_of_points_is_a_beginning(tmp_path):
    rows = torch.eye(3).numpy().astype("f4").view([("x", "f4"), ("y", "f4"), ("z", "f4")])[:, 0]
    path = tmp_path / "points.ply"
    path.write_bytes(ply_bytes({"vertex": rows}))
    geometry = make(initialization=str(path), initial_color=[1.0, 0.5, 0.0])
    torch.testing.assert_close(geometry.means.detach(), torch.eye(3))
    torch.testing.assert_close(sh0_to_rgb(geometry.sh0.detach())[0, 0], torch.tensor([1.0, 0.5, 0.0]))


def test_a_beginning_that_does_not_exist_says_so():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ply"):
        make(initialization="nowhere.ply")
    with pytest.raises(ValueError, match="sh_degree"):
        make(sh_degree=5)


def test_conversion_keeps_the_cloud_and_takes_the_degree_of_the_target():
    old = make(sh_degree=1, num_points=11)
    new = GaussianGeometry.create_from(old, OmegaConf.create({"sh_degree": 2, "num_points": 4}))
    expected = with_sh_degree(old.cloud(), 2)
    for name in RAW_NAMES:
        assert torch.equal(getattr(new, name), getattr(expected, name))
        assert isinstance(getattr(new, name), nn.Parameter)
    assert new.means is not old.means


def test_conversion_from_a_surface_takes_its_vertices_and_colors():
    mesh = SimpleNamespace(v_pos=torch.eye(3), v_rgb=torch.full((3, 3), 0.25))
    surface = SimpleNamespace(isosurface=lambda: mesh)
    geometry = GaussianGeometry.create_from(surface, OmegaConf.create({}))
    torch.testing.assert_close(geometry.means.detach(), torch.eye(3))
    torch.testing.assert_close(sh0_to_rgb(geometry.sh0.detach()), torch.full((3, 1, 3), 0.25))
    with pytest.raises(TypeError, match="isosurface"):
        GaussianGeometry.create_from(SimpleNamespace(), OmegaConf.create({}))


def test_an_unknown_key_is_refused():
    with pytest.raises(Exception, match="num_point"):
        make(num_point=3)
