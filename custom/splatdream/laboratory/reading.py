"""The parts of an experiment's file: what they must be, else one sentence that says so."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError


def yaml_value(text: str) -> object:
    """What a configuration would read in the text.

    Raises:
        ValueError: it is no YAML.
    """
    try:
        return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]), resolve=False)["value"]
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"'{text}' is not valid YAML: {' '.join(str(error).split())}") from error


def file_content(path: Path) -> object:
    # As configurations are read: 1e-3 is a number.
    try:
        return OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' is not valid YAML: {' '.join(str(error).split())}") from error


def mapping(given: object, place: str) -> dict:
    if not isinstance(given, dict):
        raise ValueError(f"{place} must be keys and values, not {given!r}")
    return given


def listed(given: object, place: str) -> list:
    if not isinstance(given, list):
        raise ValueError(f"{place} must be a list, e.g. [a, b], not {given!r}")
    return given


def check_keys(given: Mapping, known: Sequence[str], place: str) -> None:
    for key in given:
        check_known("key", str(key), known, place)


def check_known(what: str, name: str, known: Iterable[str], place: str) -> None:
    if name not in known:
        nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown {what} '{name}' in {place} (nearest: '{nearest}'); known are {', '.join(known)}")


def change(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"cannot read '{text}'; changes are key=value, e.g. seeds=[0,1]")
    return key, yaml_value(value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
