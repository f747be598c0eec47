"""The exponential moving average of a network's weights: what is shipped."""

import copy

import torch
from torch import nn


def average_decay(step: int, decay: float) -> float:
    """Smaller at the start, so that the random weights are forgotten: (1 + step) / (10 + step) up to `decay`."""
    return min(decay, (1 + step) / (10 + step))


def averaged_copy(network: nn.Module) -> nn.Module:
    """A copy that no optimizer touches."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * network, weight by weight; buffers are copied."""
    mine = [weight.data for weight in average.parameters()]
    torch._foreach_lerp_(mine, [weight.data for weight in network.parameters()], 1 - decay)
    for kept, current in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(current)
