"""Objects and modules that are built from a configuration and follow the training step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .checkpoint_content import load_checkpoint
from .config import parse_structured


class Updateable:
    """Something whose settings depend on the training step."""

    def do_update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        """Call `update_step` of every Updateable in a public attribute, deeply, each once, and last of this one."""
        for item in _tree(self):
            item.update_step(epoch, global_step, on_load_weights=on_load_weights)

    def do_update_step_end(self, epoch: int, global_step: int) -> None:
        """The same for `update_step_end`."""
        for item in _tree(self):
            item.update_step_end(epoch, global_step)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        """Set what depends on the step. Pure in (epoch, global_step): upstream calls it several times a step."""

    def update_step_end(self, epoch: int, global_step: int) -> None:
        """The same at the end of a step."""


def _tree(root: Updateable) -> list[Updateable]:
    """The Updateables reachable over public attributes, children first, each once."""
    found: dict[int, Updateable] = {}
    entered: set[int] = set()

    def visit(item: Updateable) -> None:
        if id(item) in entered:
            return
        entered.add(id(item))
        modules = vars(item).get("_modules", {})  # where torch.nn.Module keeps its children
        for name, child in [*vars(item).items(), *modules.items()]:
            if not name.startswith("_") and isinstance(child, Updateable):
                visit(child)
        found[id(item)] = item

    visit(root)
    return list(found.values())


class BaseObject(Updateable):
    """A configured object without tensors of its own. It has no device: that of the tensors it is given counts."""

    @dataclass
    class Config:
        pass

    cfg: Config

    def __init__(self, cfg: Mapping | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.cfg = parse_structured(self.Config, cfg)
        self.configure(*args, **kwargs)

    def configure(self, *args: Any, **kwargs: Any) -> None:
        """Build what the configuration asks for; the arguments are those given to the constructor."""


class BaseModule(nn.Module, Updateable):
    """A configured torch module."""

    @dataclass
    class Config:
        weights: str | None = None
        """`checkpoint:module_name`: start from that module's part of a checkpoint."""

    cfg: Config

    def __init__(self, cfg: Mapping | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.cfg = parse_structured(self.Config, cfg)
        self.register_buffer("_dummy", torch.zeros(0), persistent=False)
        self.configure(*args, **kwargs)
        if self.cfg.weights is not None:
            path, _, module_name = self.cfg.weights.rpartition(":")
            if not path:
                raise ValueError(f"weights '{self.cfg.weights}' must be 'checkpoint:module_name'")
            state_dict, epoch, global_step = load_module_weights(path, module_name=module_name)
            self.load_state_dict(state_dict)
            self.do_update_step(epoch, global_step, on_load_weights=True)

    @property
    def device(self) -> torch.device:
        """Where this module is now."""
        return self._dummy.device

    def configure(self, *args: Any, **kwargs: Any) -> None:
        """Build what the configuration asks for; the arguments are those given to the constructor."""


def load_module_weights(
    path: str | Path,
    module_name: str | None = None,
    ignore_modules: list[str] | None = None,
    map_location: Any = "cpu",
) -> tuple[dict[str, torch.Tensor], int, int]:
    """(state dict, epoch, step) of a checkpoint: of one module without its prefix, or of all but the ignored ones."""
    if module_name is not None and ignore_modules is not None:
        raise ValueError("module_name and ignore_modules exclude each other")
    checkpoint = load_checkpoint(path, map_location)
    state_dict = checkpoint["state_dict"]
    if module_name is not None:
        state_dict = _without_prefix(state_dict, f"{module_name}.")
        if not state_dict:
            raise ValueError(f"checkpoint '{path}' has no module '{module_name}'")
    ignored = tuple(f"{name}." for name in ignore_modules or ())
    # No text starts with one of no prefixes.
    state_dict = {key: tensor for key, tensor in state_dict.items() if not key.startswith(ignored)}
    return state_dict, checkpoint["epoch"], checkpoint["global_step"]


def _without_prefix(state_dict: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in state_dict.items() if key.startswith(prefix)}
