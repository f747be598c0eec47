"""Configurations as instances of the dataclasses that declare them."""

from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf

Config = TypeVar("Config")


def plain_config(cfg: Config) -> Config:
    """An instance of the dataclass that a host parsed, in place of the node that it gives: for what a step reads.

    Asking the node for one value takes as long as the smallest kernels of a step, and a step asks for dozens.
    """
    config_class = OmegaConf.get_type(cfg)
    return config_class(**with_tuples(config_class, OmegaConf.to_container(cfg, resolve=True)))


def with_tuples(config_class: type, values: dict[str, Any]) -> dict[str, Any]:
    """The values with tuples where the dataclass declares them: YAML has none, and omegaconf below 2.4 neither."""
    hints = get_type_hints(config_class)
    return {
        key: tuple(value) if isinstance(value, list) and _is_tuple(hints[key]) else value
        for key, value in values.items()
    }


def _is_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(get_origin(option) is tuple for option in get_args(hint))
