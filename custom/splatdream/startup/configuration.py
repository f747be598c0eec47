"""What a run is configured to do, without starting a host."""

from collections.abc import Sequence
from typing import Any

from ..embedded_host.config import ConfigReader
from ..embedded_host.whole_config import checked_config
from .registration import register_all


def resolved_configuration(
    path: str, overrides: Sequence[str] = (), reader: ConfigReader | None = None
) -> dict[str, Any]:
    """The content of a YAML with its overrides (dotted.key=value), as both hosts read it: plain dicts and lists.

    Args:
        reader: one for many that are alike, which is faster; the files are read once.

    Raises:
        FileNotFoundError: no such file, or a path with LAST in it that leads nowhere.
        ValueError: something in the file or the overrides cannot be read.
    """
    configuration = (reader or ConfigReader()).values(path, overrides)
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
        ValueError: something in it cannot be read, a key is one that nothing reads, or a value is beyond its range.
    """
    register_all()
    checked_config(path, overrides)
