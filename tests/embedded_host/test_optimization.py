import pytest
import torch
from omegaconf import OmegaConf
from splatdream.embedded_host.optimization import parse_optimizer, parse_scheduler
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 2)
        self.shift = nn.Parameter(torch.zeros(3))
        self.constant = torch.zeros(1)


def test_groups_are_named_by_path_and_hold_plain_values():
    config = OmegaConf.create(
        {
            "name": "Adam",
            "args": {"eps": 1e-15},
            "params": {"head": {"lr": 0.1}, "head.bias": {"lr": 1}, "shift": {"lr": 0.2, "betas": [0.8, 0.9]}},
        }
    )
    del config.params["head.bias"]
    optimizer = parse_optimizer(config, Model())
    assert [(group["name"], group["lr"], len(group["params"])) for group in optimizer.param_groups] == [
        ("head", 0.1, 2),
        ("shift", 0.2, 1),
    ]
    assert type(optimizer.param_groups[1]["betas"]) in (list, tuple)
    assert optimizer.param_groups[0]["eps"] == 1e-15


@pytest.mark.parametrize(
    "config, message",
    [
        ({"name": "Adamm"}, "did you mean 'Adam"),
        ({"name": "Adam", "params": {"tail": {}}}, "tail"),
        ({"name": "Adam", "params": {"constant": {}}}, "constant"),
    ],
)
def test_mistakes_are_named(config, message):
    with pytest.raises(ValueError, match=message):
        parse_optimizer(OmegaConf.create(config), Model())


def test_schedulers_in_sequence_follow_their_milestone():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    config = OmegaConf.create(
        {
            "name": "SequentialLR",
            "interval": "step",
            "milestones": [2],
            "schedulers": [
                {"name": "ConstantLR", "args": {"factor": 0.5, "total_iters": 100}},
                {"name": "ExponentialLR", "args": {"gamma": 0.1}},
            ],
        }
    )
    parsed = parse_scheduler(config, optimizer)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        parsed["scheduler"].step()
    assert parsed["interval"] == "step"
    assert rates == pytest.approx([0.5, 0.5, 1.0, 0.1])
