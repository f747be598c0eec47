"""Optimizers and learning rate schedulers from a configuration: names of torch.optim and their arguments."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn
from torch.optim import lr_scheduler

from .config import config_to_primitive
from .nearest import suggestion


def parse_optimizer(config: Mapping, model: nn.Module) -> torch.optim.Optimizer:
    """`name` and `args` of a torch optimizer; `params` maps attribute paths of `model` to arguments of their own group.

    Raises:
        ValueError: no such optimizer, no such attribute, or one that is neither a module nor a parameter.
    """
    # Plain values only: omegaconf nodes in the parameter groups would end up in the checkpoint.
    config = _plain(config)
    optimizer_class = _torch_class(torch.optim, config, "optimizer", torch.optim.Optimizer)
    if "params" not in config:
        return optimizer_class(model.parameters(), **config.get("args", {}))
    groups = [
        {"params": _parameters(model, path), "name": path, **(args or {})} for path, args in config["params"].items()
    ]
    return optimizer_class(groups, **config.get("args", {}))


def parse_scheduler(config: Mapping, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What pytorch-lightning expects: {"scheduler": ..., "interval": "epoch" or "step"}."""
    config = _plain(config)
    interval = config.get("interval", "epoch")
    if interval not in ("epoch", "step"):
        raise ValueError(f"scheduler interval '{interval}' must be 'epoch' or 'step'")
    if config.get("name") in ("SequentialLR", "ChainedScheduler"):
        parts = [parse_scheduler(part, optimizer)["scheduler"] for part in config["schedulers"]]
        if config["name"] == "ChainedScheduler":
            return {"scheduler": lr_scheduler.ChainedScheduler(parts), "interval": interval}
        sequence = lr_scheduler.SequentialLR(optimizer, parts, milestones=config["milestones"])
        return {"scheduler": sequence, "interval": interval}
    scheduler_class = _torch_class(lr_scheduler, config, "scheduler", lr_scheduler.LRScheduler)
    return {"scheduler": scheduler_class(optimizer, **config.get("args", {})), "interval": interval}


def _plain(config: Mapping) -> dict[str, Any]:
    return config_to_primitive(config) if isinstance(config, DictConfig) else dict(config)


def _torch_class(module: Any, config: dict[str, Any], kind: str, base: type) -> type:
    valid = [name for name, item in vars(module).items() if isinstance(item, type) and issubclass(item, base)]
    name = str(config.get("name", ""))
    if name not in valid:
        raise ValueError(f"there is no {kind} '{name}' in {module.__name__}; {suggestion(name, valid)}")
    return getattr(module, name)


def _parameters(model: nn.Module, path: str) -> list[nn.Parameter]:
    try:
        item = attrgetter(path)(model)
    except AttributeError as error:
        raise ValueError(f"optimizer.params names '{path}', which the system does not have") from error
    if isinstance(item, nn.Module):
        return list(item.parameters())
    if isinstance(item, nn.Parameter):
        return [item]
    raise ValueError(f"optimizer.params names '{path}', a {type(item).__name__}, not a module or parameter")
