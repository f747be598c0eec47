"""The guidance methods by name."""

from collections.abc import Mapping
from importlib import import_module

from .declaration import GuidanceMethod

_FILES = (
    "sds",
    "sjc",
    "csd",
    "nfsd",
    "ism",
    "sdi",
    "vsd",
    "rfds",
    "x0_reconstruction",
    "asd",
    "sds_bridge",
    "cfd",
)
"""Of this folder, each ending in declarations. A new method is a file and a line here."""

METHODS: Mapping[str, GuidanceMethod] = {
    declared.name: declared
    for file in _FILES
    for declared in vars(import_module(f".{file}", __package__)).values()
    if isinstance(declared, GuidanceMethod)
}


def guidance_method(name: str) -> GuidanceMethod:
    """The method of that name.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    if name not in METHODS:
        raise ValueError(f"guidance method {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]
