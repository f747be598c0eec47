"""What values an option may take, declared beside the option and checked before a run begins.

An option is a number, or a schedule of the host: [start, end, end_step] or [start_step, start, end, end_step, ...].
"""

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args


@dataclass(frozen=True)
class OptionRange:
    """Inclusive bounds, for `Annotated[float, OptionRange(...)]` in the signature of a method or in a `Config`."""

    low: float = -math.inf
    high: float = math.inf
    reason: str = ""
    """What a value beyond the bounds would do, in a few words."""
    remedy: str = ""
    """What to do instead, for a field of a `Config`."""

    def __str__(self) -> str:
        return f"at least {self.low:g}" if math.isinf(self.high) else f"{self.low:g} to {self.high:g}"


def check_range(name: str, value: Any, allowed: OptionRange, remedy: str) -> None:
    """Every value that a number or schedule takes lies within the range: it is linear between its corners.

    Args:
        remedy: what to do instead, e.g. "leave it out for 10".

    Raises:
        ValueError: a value beyond the range, or not a number.
    """
    for number in schedule_values(name, value):
        if not allowed.low <= number <= allowed.high:
            reason = f" ({allowed.reason})" if allowed.reason else ""
            raise ValueError(f"{name} is {_shown(value)}, but must be {allowed}{reason}; {remedy}")


def annotated_range(annotation: Any) -> OptionRange | None:
    """The range in `Annotated[..., OptionRange(...)]`."""
    return next((item for item in get_args(annotation) if isinstance(item, OptionRange)), None)


def check_fields(name: str, cfg: Any, config_class: type) -> None:
    """Every field of a configuration lies within the range beside it; a subclass's new default keeps the range.

    Args:
        name: what the key of a field begins with.
        cfg: the configuration as the host parsed it.

    Raises:
        ValueError: see `check_range`.
    """
    ranges: dict[str, OptionRange] = {}
    for base in reversed(config_class.__mro__):
        declared = {field: annotated_range(hint) for field, hint in inspect.get_annotations(base).items()}
        ranges |= {field: allowed for field, allowed in declared.items() if allowed is not None}
    for field, allowed in ranges.items():
        check_range(f"{name}.{field}", getattr(cfg, field), allowed, allowed.remedy)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """
    Raises:
        ValueError: the value is none of the choices.
    """
    choices = list(choices)
    if value not in choices:
        raise ValueError(f"{name} {value!r} is unknown; choose one of {', '.join(choices)}")


def schedule_values(name: str, value: Any) -> list[float]:
    """The values of a number or schedule at its corners.

    Raises:
        ValueError: neither a number nor a schedule.
    """
    if _is_number(value):
        return [value]
    numbers = list(value) if not isinstance(value, str | bytes) and isinstance(value, Iterable) else []
    if len(numbers) == 3:
        numbers = [0, *numbers]
    if len(numbers) < 4 or len(numbers) % 2 or not all(_is_number(number) for number in numbers):
        raise ValueError(
            f"{name} is {_shown(value)}, but must be a number or a schedule: [start, end, end_step] or "
            "[start_step, start, end, end_step]"
        )
    return [numbers[1], *numbers[2::2]]


def schedule_steps(value: Any) -> list[int]:
    """The optimizer steps of a schedule's corners; [0] of a number."""
    if _is_number(value):
        return [0]
    numbers = [0, *value] if len(value) == 3 else list(value)
    return [int(numbers[0]), *(int(number) for number in numbers[3::2])]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, Iterable) and not isinstance(value, str) else repr(value)
