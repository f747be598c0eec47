"""A configuration with all that its parts declare, checked before anything is made."""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .config import config_to_primitive, load_config, parse_structured
from .nearest import suggestion
from .registry import find


def checked_config(
    path: str | Path, cli_args: Sequence[str] = (), reads_environment: bool = False, **overrides: Any
) -> DictConfig:
    """`load_config`, after which every part that it names has read its keys.

    Raises:
        FileNotFoundError: no such file.
        ValueError: something cannot be read, a key is one that nothing reads, or a value is beyond its range; the
            message names key, value, bound and file.
    """
    config = load_config(path, cli_args, reads_environment, **overrides)
    try:
        trainer_options(config.trainer)
        _check_callback(config.checkpoint)
        for key, number in _numbers(config_to_primitive(config)):
            if not math.isfinite(number):
                raise ValueError(f"{key} is {number}, but must be a finite number")
        _check_parts(config)
    except ValueError as error:
        raise ValueError(f"{error} ('{path}' and its overrides)") from error
    return config


def trainer_options(trainer: Mapping) -> dict[str, Any]:
    """Arguments of pytorch-lightning's Trainer.

    Raises:
        ValueError: it has no such argument, or a number that no run could use.
    """
    import pytorch_lightning as pl

    for name in ("accelerator", "devices"):
        if name in trainer:
            raise ValueError(f"trainer.{name} is not a key of the configuration; choose the device with --gpu")
    check_arguments(pl.Trainer, trainer, "trainer")
    max_steps = trainer.get("max_steps", -1)
    if not _is_whole(max_steps, 1) and max_steps != -1:
        raise ValueError(f"trainer.max_steps {max_steps!r} must be a whole number of at least 1")
    for name, lowest in _LOWEST.items():
        value = trainer.get(name)
        if value is not None and not (isinstance(value, int | float) and value >= lowest):
            raise ValueError(f"trainer.{name} {value!r} must be a number of at least {lowest}")
    return OmegaConf.to_container(trainer, resolve=True)


# What Lightning would not refuse, or only after the run's folder is there.
_LOWEST = {"log_every_n_steps": 1, "val_check_interval": 1, "num_sanity_val_steps": -1, "max_epochs": -1}


def _check_callback(checkpoint: Mapping) -> None:
    every = checkpoint.get("every_n_train_steps")
    if every is not None and not _is_whole(every, 1):
        raise ValueError(f"checkpoint.every_n_train_steps {every!r} must be a whole number of at least 1")


def _is_whole(value: object, lowest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= lowest


def check_arguments(cls: type, arguments: Mapping, place: str) -> None:
    """
    Raises:
        ValueError: the class takes no such argument; names the nearest one that it takes.
    """
    valid = list(inspect.signature(cls.__init__).parameters)[1:]
    for name in arguments:
        if name not in valid:
            raise ValueError(f"unknown key '{name}' in '{place}'; {suggestion(name, valid)}")


def _numbers(node: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """(dotted key, number) of every number with a fraction."""
    if isinstance(node, float):
        yield place, node
    elif isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _numbers(child, f"{place}.{key}".lstrip("."))


def _check_parts(configuration: Mapping[str, Any]) -> None:
    """What `x_type` names reads the keys of `x`."""
    for key, name in configuration.items():
        part = key.removesuffix("_type")
        if part == key or not name or not isinstance(configuration.get(part), Mapping):
            continue
        try:
            registered = find(name)
        except KeyError as error:
            raise ValueError(f"{key}: {error.args[0]}") from error
        _check_parts(parse_structured(registered.Config, configuration[part]))
