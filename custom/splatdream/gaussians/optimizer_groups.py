"""One Adam for the whole cloud, with one named group for each raw tensor."""

from collections.abc import Mapping

import torch
from torch import nn

# The gradient of one Gaussian is tiny: Adam's usual 1e-8 would damp it. 3DGS uses 1e-15.
ADAM_EPS = 1e-15


def parameter_groups(
    params: Mapping[str, nn.Parameter], learning_rates: Mapping[str, float]
) -> list[dict[str, object]]:
    """One group for each raw tensor: its parameter, its learning rate and its name.

    Raises:
        ValueError: the names of the parameters and of the learning rates differ.
    """
    if set(params) != set(learning_rates):
        raise ValueError(f"learning rates are for {sorted(learning_rates)}, the parameters are {sorted(params)}")
    return [{"params": [params[name]], "lr": learning_rates[name], "name": name} for name in params]


def make_adam(params: Mapping[str, nn.Parameter], learning_rates: Mapping[str, float]) -> torch.optim.Adam:
    """Adam over `parameter_groups`."""
    return torch.optim.Adam(parameter_groups(params, learning_rates), eps=ADAM_EPS)


def set_learning_rates(optimizer: torch.optim.Optimizer, learning_rates: Mapping[str, float]) -> None:
    """Give the groups of these names their learning rates; other groups keep theirs."""
    for group in optimizer.param_groups:
        if group.get("name") in learning_rates:
            group["lr"] = learning_rates[group["name"]]
