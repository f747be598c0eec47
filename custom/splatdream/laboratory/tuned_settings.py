"""From what was drawn for a variant to its settings, and back: what its configuration says already."""

import math
from collections.abc import Mapping, Sequence

from omegaconf import OmegaConf

from .plan import Stage
from .reading import is_number
from .tuning_plan import Range

Parameters = Mapping[str, object]
"""A value for each range, by its name."""
_EDGE_SHARE = 0.05
"""Of a range: nearer to its end than this is at its edge."""


def tuned_settings(stage: Stage, ranges: Sequence[Range], parameters: Parameters) -> dict[str, object]:
    """Keys to set in a stage.

    Raises:
        ValueError: a multiple is of something that is no number and no schedule.
    """
    settings: dict[str, object] = {}
    for item in ranges:
        value = parameters[item.name]
        if not item.multiplies:
            settings[item.name] = value
        for key in item.multiplies:
            settings[key] = _multiplied(_configured(stage, key), value, key)
    return settings


def configured_parameters(stage: Stage, ranges: Sequence[Range]) -> dict[str, object] | None:
    """The parameters that leave the stage as it is; None where one is outside of its range, or not there."""
    found = {item.name: 1.0 if item.multiplies else _configured(stage, item.name) for item in ranges}
    return found if all(_holds(item, found[item.name]) for item in ranges) else None


def edge_of(item: Range, value: object) -> str:
    """lower or upper where a value lies at that edge of its range, else empty.

    Whole numbers and choices are at the edge when they are the first or the last; choices must be three numbers.
    """
    ordered = item.choices or (item.low, item.high)
    if not all(map(is_number, ordered)) or (len(ordered) == 2 and item.choices):
        return ""
    low, high = min(ordered), max(ordered)
    if item.choices or item.is_integer:
        margin = 0.0
    else:
        scale = math.log if item.is_log else float
        low, high, value = scale(low), scale(high), scale(value)
        margin = _EDGE_SHARE * (high - low)
    return "lower" if value <= low + margin else "upper" if value >= high - margin else ""


def _configured(stage: Stage, key: str) -> object:
    """What the stage says, interpolations as they are written."""
    if key in stage.settings:
        return stage.settings[key]
    configuration = OmegaConf.load(stage.base)
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(configuration, parent) if parent else configuration
    return OmegaConf.to_container(node, resolve=False).get(name) if OmegaConf.is_dict(node) else None


def _multiplied(value: object, factor: object, key: str) -> object:
    if is_number(value) and is_number(factor):
        return value * factor
    # Of [start_step, start, end, end_step] the two values.
    if isinstance(value, list) and len(value) == 4 and is_number(factor) and all(map(is_number, value[1:3])):
        return [value[0], value[1] * factor, value[2] * factor, value[3]]
    raise ValueError(f"cannot multiply {key}, which is {value!r}, by {factor!r}; it must be a number or a schedule")


def _holds(item: Range, value: object) -> bool:
    if item.choices:
        return any(type(value) is type(choice) and value == choice for choice in item.choices)
    return is_number(value) and item.low <= value <= item.high and not (item.is_integer and value != int(value))
