"""Rows come and go while the optimizer keeps what it knows about those that stay.

`params` maps the field names of GaussianCloud to parameters: a dict, or the view that a geometry gives of itself.
Moments are the state tensors that an optimizer keeps with one entry per entry of the parameter (Adam's exp_avg and
exp_avg_sq).

N Gaussians.
"""

from collections.abc import Callable, MutableMapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from .cloud import GaussianCloud


def select_rows(
    params: MutableMapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer | None,
    rows: Int[Tensor, "M"] | Bool[Tensor, "N"],
) -> None:
    """Keep the chosen rows, in the given order (or the order of the mask), with their moments."""
    for name in params:
        _replace(params, optimizer, name, params[name].detach()[rows], lambda moment: moment[rows])


def append_rows(
    params: MutableMapping[str, nn.Parameter], optimizer: torch.optim.Optimizer | None, new: GaussianCloud
) -> None:
    """Put new rows after the present ones. Their moments are zero: nothing is known about them yet."""
    for name, rows in new.tensors().items():
        old = params[name].detach()
        if old.shape[1:] != rows.shape[1:]:
            raise ValueError(f"rows of {name} have shape {tuple(rows.shape[1:])}, the cloud's {tuple(old.shape[1:])}")

        def with_zeros(moment: Tensor, rows: Tensor = rows) -> Tensor:
            return torch.cat([moment, torch.zeros_like(rows, dtype=moment.dtype, device=moment.device)])

        _replace(params, optimizer, name, torch.cat([old, rows.detach().to(old)]), with_zeros)


def assign_rows(params: MutableMapping[str, nn.Parameter], rows: Bool[Tensor, "N"], new: GaussianCloud) -> None:
    """Give the chosen rows new values, in place; their moments stay."""
    with torch.no_grad():
        for name, values in new.tensors().items():
            params[name][rows] = values.to(params[name])


def replace_tensor(
    params: MutableMapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer | None,
    name: str,
    value: Tensor,
) -> None:
    """Give one tensor new values, of any number of rows. Its moments become zero: they belonged to the old values."""
    _replace(params, optimizer, name, value.detach(), lambda moment: torch.zeros_like(value, dtype=moment.dtype))


def cloud_of(params: MutableMapping[str, nn.Parameter]) -> GaussianCloud:
    """The parameters as a cloud; gradients flow to them."""
    return GaussianCloud(**params)


def _replace(
    params: MutableMapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer | None,
    name: str,
    value: Tensor,
    new_moment: Callable[[Tensor], Tensor],
) -> None:
    """The one place where a parameter gives way to another, in `params`, in its group and in the optimizer's state."""
    old = params[name]
    # A new Parameter, not `old.data = value`: a graph that still holds the old one would meet the wrong shape.
    new = nn.Parameter(value.contiguous(), requires_grad=old.requires_grad)
    params[name] = new
    if optimizer is None:
        return
    for group in optimizer.param_groups:
        group["params"] = [new if param is old else param for param in group["params"]]
    state = optimizer.state.pop(old, None)
    if state is not None:
        optimizer.state[new] = {
            key: new_moment(entry) if isinstance(entry, Tensor) and entry.shape == old.shape else entry
            for key, entry in state.items()
        }
