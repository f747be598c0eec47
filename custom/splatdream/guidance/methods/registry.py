"""The guidance methods by name.

A method turns a denoiser, latents, timesteps and noise into an unweighted gradient. Its keyword arguments are its
options, except for what the guidance supplies: a `generator` for further draws, and `particles`, the score of what the
run makes.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import get_args

from torch import Tensor

from ..option_range import OptionRange, check_range
from .csd import csd_gradient
from .esd import esd_gradient
from .ism import ism_gradient
from .nfsd import nfsd_gradient
from .sdi import sdi_gradient
from .sds import sds_gradient
from .sjc import sjc_gradient
from .vsd import vsd_gradient
from .x0_reconstruction import x0_reconstruction_gradient

GuidanceMethod = Callable[..., Tensor]

METHODS: Mapping[str, GuidanceMethod] = {
    "sds": sds_gradient,
    "sjc": sjc_gradient,
    "csd": csd_gradient,
    "nfsd": nfsd_gradient,
    "ism": ism_gradient,
    "sdi": sdi_gradient,
    "vsd": vsd_gradient,
    "esd": esd_gradient,
    "x0_reconstruction": x0_reconstruction_gradient,
}

_SUPPLIED = ("generator", "particles")
_ANY_NUMBER = OptionRange(-math.inf)


def guidance_method(name: str) -> GuidanceMethod:
    """The method of that name.

    Raises:
        ValueError: there is none; the message lists those that exist.
    """
    if name not in METHODS:
        raise ValueError(f"guidance method {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]


def default_options(method: GuidanceMethod) -> dict[str, float]:
    """The options of a method with their defaults."""
    return {name: default for name, default in _keywords(method).items() if name not in _SUPPLIED}


def needs(method: GuidanceMethod, name: str) -> bool:
    """Whether the method takes something that the guidance supplies, `generator` or `particles`."""
    return name in _keywords(method)


def check_options(name: str, options: Mapping[str, object]) -> None:
    """
    Raises:
        ValueError: an option that the method of that name does not have, or a value that it cannot take.
    """
    method = guidance_method(name)
    known, annotations = default_options(method), inspect.get_annotations(method)
    for option, value in options.items():
        key = f"guidance.method_options.{option}"
        if option not in known:
            choices = f"its options are {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{key} is no option of {name}; {choices}")
        remedy = f"leave it out for {name}'s {known[option]}"
        if isinstance(known[option], bool):
            if not isinstance(value, bool):
                raise ValueError(f"{key} is {value!r}, but must be true or false; {remedy}")
            continue
        limits = [item for item in get_args(annotations[option]) if isinstance(item, OptionRange)]
        check_range(key, value, limits[0] if limits else _ANY_NUMBER, remedy)


def _keywords(method: GuidanceMethod) -> dict[str, float]:
    parameters = inspect.signature(method).parameters.values()
    return {item.name: item.default for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY}
