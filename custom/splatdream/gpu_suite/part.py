"""A part of the suite: what it measures, what is expected of it, and where its numbers go."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from ..storage.atomic_file import write_text


@dataclass(frozen=True)
class Settings:
    """Of one call of the suite."""

    folder: Path
    """Results and whatever runs leave behind."""
    is_smoke: bool
    """Tiny sizes: says that everything runs, and nothing of its speed."""

    @property
    def device(self) -> torch.device:
        """
        Raises:
            RuntimeError: no GPU, and this is no smoke run.
        """
        if torch.cuda.is_available():
            return torch.device("cuda")
        if self.is_smoke:
            return torch.device("cpu")
        raise RuntimeError("torch sees no CUDA device; --smoke runs the suite at tiny size without one")


@dataclass(frozen=True)
class Goal:
    """A bound for every measured number whose dotted name matches."""

    pattern: str
    bound: float
    is_upper: bool = True
    is_of_speed: bool = False
    """A smoke run is not held to it."""

    def is_met(self, number: float) -> bool:
        return number <= self.bound if self.is_upper else number >= self.bound

    def __str__(self) -> str:
        return f"`{self.pattern}` {'at most' if self.is_upper else 'at least'} {self.bound:g}"


class Results:
    """Numbers of one part. They are on the disk as soon as they are known: what is killed later keeps them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.content: dict[str, Any] = {}

    def add(self, **measured: Any) -> None:
        """Plain types."""
        self.content |= measured
        write_text(self._path, json.dumps({"status": "running", "measured": self.content}, indent=1))


@dataclass(frozen=True)
class Part:
    """Takes at most `suite.LIMIT_S`."""

    name: str
    expected: str
    """In words; what the goals cannot say."""
    measure: Callable[[Settings, Results], None]
    goals: tuple[Goal, ...] = ()

    def missed(self, measured: Mapping[str, Any], is_smoke: bool = False) -> list[str]:
        """The numbers that do not meet their goal, in words."""
        numbers = flat(measured)
        return [
            f"`{name}` is {number:g}, expected {'at most' if goal.is_upper else 'at least'} {goal.bound:g}"
            for goal in self.goals
            if not (is_smoke and goal.is_of_speed)
            for name, number in numbers.items()
            if fnmatchcase(name, goal.pattern) and isinstance(number, int | float) and not goal.is_met(number)
        ]


def flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested results by dotted name."""
    numbers: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            numbers |= flat(value, f"{prefix}{name}.")
        else:
            numbers[f"{prefix}{name}"] = value
    return numbers
