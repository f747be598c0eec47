"""What a run is configured to do, without starting a host."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..embedded_host.config import ExperimentConfig, config_to_primitive, parse_structured, read_config
from ..embedded_host.launch import trainer_options
from .registration import register_all


def resolved_configuration(path: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The content of a YAML with its overrides (dotted.key=value), as both hosts read it: plain dicts and lists.

    Raises:
        FileNotFoundError: no such file, or a path with LAST in it that leads nowhere.
        ValueError: something in the file or the overrides cannot be read.
    """
    configuration = config_to_primitive(read_config(path, overrides))
    system = configuration.get("system") or {}
    for key in ("geometry_convert_from", "weights"):
        if "LAST" in (system.get(key) or ""):
            from ..embedded_host.system import newest_path

            system[key] = newest_path(system[key])
    return configuration


def check_configuration(path: str, overrides: Sequence[str] = ()) -> None:
    """Reads a configuration with the dataclasses of everything that it names, and makes nothing.

    Raises:
        FileNotFoundError: no such file.
        ValueError: something in it cannot be read, or a key is one that nothing reads.
    """
    register_all()
    configuration = parse_structured(ExperimentConfig, read_config(path, overrides))
    trainer_options(configuration.trainer)
    _check_parts(configuration)


def _check_parts(configuration: Mapping[str, Any]) -> None:
    """What `x_type` names reads the keys of `x`."""
    from ..host import find

    for key, name in configuration.items():
        part = key.removesuffix("_type")
        if part == key or not name or not isinstance(configuration.get(part), Mapping):
            continue
        try:
            registered = find(name)
        except KeyError as error:
            raise ValueError(f"{key}: {error.args[0]}") from error
        _check_parts(parse_structured(registered.Config, configuration[part]))
