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
        if math.isinf(self.low):
            return "a number"
        return f"at least {self.low:.12g}" if math.isinf(self.high) else f"{self.low:.12g} to {self.high:.12g}"

    def numbers(self, name: str, value: Any) -> list[float]:
        """The numbers in a value that must lie within the bounds.

        Raises:
            ValueError: it is not what the option takes.
        """
        # A schedule is linear between its corners.
        return schedule_values(name, value)


class LearningRate(OptionRange):
    """A number or a schedule, which goes on a logarithm, and so can begin and end anywhere but at 0."""

    def __init__(self, high: float = 10.0, remedy: str = "0 does not train it") -> None:
        super().__init__(0.0, high, remedy=remedy)

    def numbers(self, name: str, value: Any) -> list[float]:
        numbers = super().numbers(name, value)
        if len(numbers) > 1 and 0 in numbers:
            raise ValueError(f"{name} is {_shown(value)}, a schedule on a logarithm, and has a 0; take 1e-9 instead")
        return numbers


class RangeOfEach(OptionRange):
    """Bounds of each number of a list."""

    def numbers(self, name: str, value: Any) -> list[float]:
        numbers = list(value)
        if not all(map(_is_number, numbers)):
            raise ValueError(f"{name} is {_shown(value)}, but must be a list of numbers")
        return numbers


class RangeOfEnds(RangeOfEach):
    """Bounds of a lowest and a highest value, in this order."""

    def numbers(self, name: str, value: Any) -> list[float]:
        numbers = super().numbers(name, value)
        if len(numbers) != 2 or numbers[0] > numbers[1]:
            raise ValueError(f"{name} is {_shown(value)}, but must be [lowest, highest]")
        return numbers


def check_range(name: str, value: Any, allowed: OptionRange, remedy: str = "") -> None:
    """Every number in a value lies within the range.

    Args:
        remedy: what to do instead, e.g. "leave it out for 10".

    Raises:
        ValueError: a value beyond the range, or not a number.
    """
    for number in allowed.numbers(name, value):
        if not allowed.low <= number <= allowed.high:
            reason = f" ({allowed.reason})" if allowed.reason else ""
            remedy = f"; {remedy}" if remedy else ""
            raise ValueError(f"{name} is {_shown(value)}, but must be {allowed}{reason}{remedy}")


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
        if (value := getattr(cfg, field)) is not None:
            check_range(f"{name}.{field}".lstrip("."), value, allowed, allowed.remedy)


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
            "[start_step, start, end, end_step], all of it finite"
        )
    return [numbers[1], *numbers[2::2]]


def schedule_steps(value: Any) -> list[int]:
    """The optimizer steps of a schedule's corners; [0] of a number."""
    if _is_number(value):
        return [0]
    numbers = [0, *value] if len(value) == 3 else list(value)
    return [int(numbers[0]), *(int(number) for number in numbers[3::2])]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, Iterable) and not isinstance(value, str) else repr(value)
