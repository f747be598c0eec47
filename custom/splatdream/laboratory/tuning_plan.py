"""What an experiment says of tuning: ranges by variant, an objective, and prompts apart from those of the test."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .budget import Budget
from .reading import check_keys, is_number, listed, mapping

_RANGE_KEYS = ("low", "high", "log", "integer", "choices", "multiplies")


@dataclass(frozen=True)
class Range:
    """What one number or choice of a variant may be."""

    name: str
    """A dotted key, or what people call a multiple of several."""
    low: float | None = None
    high: float | None = None
    """Both None for choices."""
    is_log: bool = False
    is_integer: bool = False
    choices: Sequence[object] = ()
    multiplies: Sequence[str] = ()
    """Keys whose numbers are multiplied by it, in schedules the two values; empty sets the key of that name."""

    def __str__(self) -> str:
        if self.choices:
            return " | ".join(map(json.dumps, self.choices))
        return f"{self.low:g} to {self.high:g}{', log' if self.is_log else ''}"


@dataclass(frozen=True)
class Tuning:
    objective: str
    """A column of the measures."""
    trials: int
    """Of every variant."""
    prompts: Sequence[str]
    ranges: Mapping[str, Sequence[Range]]
    """By variant."""
    is_minimized: bool = False
    seeds: Sequence[int] = (0,)
    budget: Budget | None = None
    """None is the configuration's own length."""
    seed: int = 0
    """Of the search."""


def tuning_ranges(given: object, place: str) -> dict[str, Range]:
    """Ranges by name.

    Raises:
        ValueError: one of them cannot be read; one sentence says which.
    """
    return {str(name): _range(str(name), content, place) for name, content in mapping(given or {}, place).items()}


def checked_tuning(tuning: Tuning, test_prompts: Sequence[str | None], columns: Sequence[str]) -> Tuning:
    """The same.

    Raises:
        ValueError: it cannot be carried out, or would be judged on prompts of the test.
    """
    if type(tuning.trials) is not int or tuning.trials < 1:
        raise ValueError(f"tune.trials is {tuning.trials!r}; it must be a whole number of at least 1")
    if tuning.objective not in columns:
        raise ValueError(f"tune.objective '{tuning.objective}' is none of the measures' columns: {', '.join(columns)}")
    if not tuning.prompts or not tuning.seeds:
        raise ValueError("tune needs prompts and seeds of its own, at least one of each")
    _check_apart(tuning.prompts, test_prompts)
    for label, ranges in tuning.ranges.items():
        if not ranges:
            raise ValueError(f"variant '{label}' has nothing to tune; give ranges under its tune, or under tune.ranges")
    return tuning


def _check_apart(prompts: Sequence[str], test_prompts: Sequence[str | None]) -> None:
    if None in test_prompts:
        raise ValueError("the file tunes but names no prompts of its test; give prompts, so that both are kept apart")
    test = {_plain(prompt) for prompt in test_prompts if prompt is not None}
    for prompt in prompts:
        if _plain(prompt) in test:
            raise ValueError(f"'{prompt}' is in tune.prompts and in prompts; what is tuned on cannot be the test")


def _range(name: str, given: object, place: str) -> Range:
    where = f"'{name}' of {place}"
    given = mapping(given, where)
    check_keys(given, _RANGE_KEYS, where)
    multiplies = tuple(map(str, listed(given.get("multiplies", []), f"multiplies of {where}")))
    if "choices" in given:
        choices = tuple(listed(given["choices"], f"choices of {where}"))
        if len(choices) < 2 or {"low", "high", "log", "integer"} & set(given):
            raise ValueError(f"{where} must have at least two choices, or low and high instead")
        return Range(name, choices=choices, multiplies=multiplies)
    return _interval_range(name, given, where, multiplies)


def _interval_range(name: str, given: Mapping[str, object], where: str, multiplies: Sequence[str]) -> Range:
    low, high = given.get("low"), given.get("high")
    if not (is_number(low) and is_number(high) and low < high):
        raise ValueError(f"{where} must have choices, or low and high with low < high, not {low!r} and {high!r}")
    is_log, is_integer = given.get("log", False), given.get("integer", False)
    if is_log and low <= 0:
        raise ValueError(f"{where} is logarithmic, so low must be above 0, not {low}")
    if is_integer and not (type(low) is int and type(high) is int):
        raise ValueError(f"{where} is of whole numbers, but reaches from {low} to {high}")
    return Range(name, low, high, bool(is_log), bool(is_integer), multiplies=multiplies)


def _plain(prompt: str) -> str:
    return " ".join(prompt.lower().split())
