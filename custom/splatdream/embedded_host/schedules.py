"""Numbers that change during training, as they stand in a YAML.

A number is constant. `[v0, v1, s1]` means `[0, v0, v1, s1]`; `[s0, v0, v1, s1]` goes from v0 at step s0 to v1 at step
s1; `[s0, v0, v1, s1, v2, s2, ...]` continues from (s1, v1) to (s2, v2). A segment counts optimizer steps where its end
step is an integer, and epochs where it is a float. Outside its range a schedule is clamped.
"""

import math
from typing import Any

from omegaconf import ListConfig


def C(value: Any, epoch: int, global_step: int, interpolation: str = "linear") -> float:
    """The value of a schedule at a step.

    Raises:
        ValueError: not a schedule, or an interpolation other than "linear" and "exp".
    """
    if isinstance(value, int | float) and not math.isnan(value):
        return value
    start_step, start, end, end_step = _segment(_points(value), epoch, global_step)
    now = global_step if isinstance(end_step, int) else epoch
    fraction = 1.0 if end_step == start_step else (now - start_step) / (end_step - start_step)
    fraction = min(max(fraction, 0.0), 1.0)
    if interpolation == "linear":
        return start + (end - start) * fraction
    if interpolation == "exp":
        return math.exp(math.log(start) * (1 - fraction) + math.log(end) * fraction)
    raise ValueError(f"interpolation '{interpolation}' must be 'linear' or 'exp'")


def largest(value: Any) -> float:
    """The largest value that a schedule takes."""
    if isinstance(value, int | float):
        return value
    return max(point[1] for point in _points(value))


def _points(value: Any) -> list[tuple[float, float]]:
    """(step, value) of each corner, in order."""
    numbers = list(value) if isinstance(value, list | tuple | ListConfig) else []
    if len(numbers) == 3:
        numbers = [0, *numbers]
    is_numeric = all(isinstance(number, int | float) and not math.isnan(number) for number in numbers)
    if len(numbers) < 4 or len(numbers) % 2 or not is_numeric:
        raise ValueError(
            f"schedule {value!r} must be a number, [start, end, end_step] or [start_step, start, end, end_step, ...]"
        )
    return [(numbers[0], numbers[1]), *zip(numbers[3::2], numbers[2::2], strict=True)]


def _segment(points: list[tuple[float, float]], epoch: int, global_step: int) -> tuple[float, float, float, float]:
    """(start_step, start, end, end_step) of the part of the schedule that is in force."""
    last = 1
    for i in range(1, len(points) - 1):
        now = global_step if isinstance(points[i][0], int) else epoch
        if now >= points[i][0]:
            last = i + 1
    (start_step, start), (end_step, end) = points[last - 1], points[last]
    return start_step, start, end, end_step
