"""Adam keeps its moments for rows that stay, and starts from zero for rows that are new."""

import copy

import pytest
import torch
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.optimizer_groups import (
    make_adam,
    set_learning_rates,
)
from splatdream.gaussians.row_surgery import append_rows, cloud_of, replace_tensor, select_rows
from torch import nn

NAMES = ("means", "log_scales", "quats", "opacity_logits", "sh0", "shN")
LEARNING_RATES = {name: 0.01 * (1 + index) for index, name in enumerate(NAMES)}


def random_cloud(num_points: int, generator: torch.Generator, sh_degree: int = 1) -> GaussianCloud:
    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(num_points, *shape, generator=generator)

    return GaussianCloud(draw(3), draw(3), draw(4), draw(), draw(1, 3), draw((sh_degree + 1) ** 2 - 1, 3))


def trained(num_points: int, generator: torch.Generator) -> tuple[dict[str, nn.Parameter], torch.optim.Adam]:
    params = {name: nn.Parameter(t) for name, t in random_cloud(num_points, generator).tensors().items()}
    optimizer = make_adam(params, LEARNING_RATES)
    for _ in range(3):
        step(params, optimizer)
    return params, optimizer


def step(params: dict[str, nn.Parameter], optimizer: torch.optim.Adam) -> None:
    """A step on a loss that treats every row alike and independently of the others."""
    optimizer.zero_grad()
    sum((tensor**4).sum() for tensor in cloud_of(params).tensors().values()).backward()
    optimizer.step()


def test_rows_that_stay_move_as_if_the_others_had_never_been_there(generator):
    params, optimizer = trained(10, generator)
    undisturbed = {name: param.detach().clone() for name, param in params.items()}
    undisturbed = {name: nn.Parameter(value) for name, value in undisturbed.items()}
    twin = make_adam(undisturbed, LEARNING_RATES)
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    rows = torch.tensor([7, 2, 5])

    select_rows(params, optimizer, rows)
    append_rows(params, optimizer, random_cloud(4, generator))
    for _ in range(5):
        step(params, optimizer)
        step(undisturbed, twin)

    for name in params:
        torch.testing.assert_close(params[name][:3], undisturbed[name][rows], rtol=0, atol=0)
        assert len(params[name]) == 7


def test_new_rows_have_zero_moments_and_old_rows_theirs(generator):
    params, optimizer = trained(4, generator)
    before = {name: optimizer.state[param]["exp_avg_sq"].clone() for name, param in params.items()}
    append_rows(params, optimizer, random_cloud(2, generator))
    for name, param in params.items():
        moment = optimizer.state[param]["exp_avg_sq"]
        torch.testing.assert_close(moment[:4], before[name], rtol=0, atol=0)
        assert moment.shape == param.shape and not moment[4:].any()


def test_the_groups_hold_the_new_parameters_and_nothing_else(generator):
    params, optimizer = trained(4, generator)
    select_rows(params, optimizer, torch.tensor([True, False, True, True]))
    assert [group["name"] for group in optimizer.param_groups] == list(LEARNING_RATES)
    for group in optimizer.param_groups:
        assert len(group["params"]) == 1 and group["params"][0] is params[group["name"]]
    assert set(optimizer.state) == set(params.values())


def test_replacing_a_tensor_clears_its_moments_only(generator):
    params, optimizer = trained(4, generator)
    replace_tensor(params, optimizer, "opacity_logits", torch.full((4,), -3.0))
    assert (params["opacity_logits"] == -3).all()
    assert not optimizer.state[params["opacity_logits"]]["exp_avg"].any()
    assert optimizer.state[params["means"]]["exp_avg"].any()


def test_surgery_before_the_first_step_and_without_an_optimizer(generator):
    params = {name: nn.Parameter(t) for name, t in random_cloud(5, generator, sh_degree=0).tensors().items()}
    optimizer = make_adam(params, LEARNING_RATES)
    select_rows(params, optimizer, torch.arange(3))
    step(params, optimizer)
    append_rows(params, None, random_cloud(1, generator, sh_degree=0))
    assert len(cloud_of(params)) == 4


def test_rows_of_another_sh_degree_are_refused(generator):
    params, optimizer = trained(4, generator)
    with pytest.raises(ValueError, match="shN"):
        append_rows(params, optimizer, random_cloud(2, generator, sh_degree=2))


def test_a_graph_that_is_still_alive_does_not_hinder_the_next_backward(generator):
    params, optimizer = trained(4, generator)
    still_alive = sum((tensor**2).sum() for tensor in cloud_of(params).tensors().values())
    select_rows(params, optimizer, torch.arange(2))
    step(params, optimizer)
    assert still_alive.requires_grad


def test_groups_take_learning_rates_by_name(generator):
    params, optimizer = trained(2, generator)
    set_learning_rates(optimizer, {"sh0": 0.5})
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates == {**LEARNING_RATES, "sh0": 0.5}
    with pytest.raises(ValueError, match="learning rates are for"):
        make_adam(params, {"means": 1.0})
