"""What a run is configured to do, without starting a host."""

from collections.abc import Sequence
from typing import Any

from ..embedded_host.config import config_to_primitive, read_config


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
