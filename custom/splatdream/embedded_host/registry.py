"""Classes by name: one flat namespace for every kind of class."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from .nearest import suggestion

_classes: dict[str, type] = {}

AnyClass = TypeVar("AnyClass", bound=type)


def register(name: str) -> Callable[[AnyClass], AnyClass]:
    """Class decorator. A name that is taken is a ValueError."""

    def decorator(cls: AnyClass) -> AnyClass:
        if name in _classes:
            raise ValueError(f"the name '{name}' is already registered by {_classes[name].__module__}")
        _classes[name] = cls
        return cls

    return decorator


def find(name: str) -> type:
    """The class registered as `name`; `main:sub1,sub2` mixes classes, the first sub before the main one in the MRO.

    Raises:
        KeyError: unknown name; the message names the nearest one.
    """
    main, _, mixins = name.partition(":")
    names = [*filter(None, mixins.split(",")), main]
    for part in names:
        if part not in _classes:
            raise KeyError(f"nothing is registered as '{part}'; {suggestion(part, _classes)}")
    if len(names) == 1:
        return _classes[main]
    return type(name.replace(":", "."), tuple(_classes[part] for part in names), {})


def registered() -> Mapping[str, type]:
    """All classes by name."""
    return MappingProxyType(_classes)
