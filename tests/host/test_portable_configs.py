"""Configurations that both hosts can read, with omegaconf 2.3 as well as with 2.4."""

import dataclasses
import importlib
import inspect
import types
import typing

import pytest
import splatdream
from splatdream.startup.registration import REGISTERING_MODULES

_PRIMITIVES = {int, float, bool, str, bytes, type(None)}


def registered_classes():
    """Classes defined in the modules that register, and in those that they import from this package."""
    classes = {}
    for name in REGISTERING_MODULES:
        module = importlib.import_module(name, splatdream.__name__)
        for cls in vars(module).values():
            is_ours = inspect.isclass(cls) and cls.__module__.startswith("splatdream.")
            if is_ours and dataclasses.is_dataclass(getattr(cls, "Config", None)):
                classes[cls.__qualname__] = cls
    return list(classes.values())


@pytest.mark.parametrize("cls", registered_classes(), ids=lambda cls: cls.__name__)
def test_fields_have_types_that_omegaconf_can_hold(cls):
    for name, hint in typing.get_type_hints(cls.Config).items():
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            options = set(typing.get_args(hint)) - {type(None)}
            # omegaconf 2.3, which threestudio pins, knows Optional of anything, and unions of primitives only.
            assert len(options) == 1 or options <= _PRIMITIVES, f"{name}: {hint} is for a schedule? then use Any"


@pytest.mark.parametrize("cls", registered_classes(), ids=lambda cls: cls.__name__)
def test_every_class_is_its_own_noun_with_defaults(cls):
    """threestudio builds parts from what the YAML says: a field without a default would make its key mandatory."""
    for item in dataclasses.fields(cls.Config):
        has_default = item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING
        assert has_default, item.name
