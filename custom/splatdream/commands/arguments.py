"""What the numbers and devices on a command line may be, for argparse's `type=`."""

import argparse
import math
from collections.abc import Callable

LARGEST_SEED = 2**32 - 1


def whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Reads a whole number within inclusive bounds."""
    return _within(int, "a whole number", lowest, highest)


def number(lowest: float, highest: float | None = None) -> Callable[[str], float]:
    """Reads a finite number within inclusive bounds."""
    return _within(float, "a number", lowest, highest)


def device(text: str) -> str:
    """`cpu`, or a CUDA device that torch can use."""
    if text == "cpu":
        return text
    if text.split(":", maxsplit=1)[0] != "cuda":
        raise argparse.ArgumentTypeError(f"{text!r} must be cpu or cuda")
    import torch

    if not torch.cuda.is_available():
        raise argparse.ArgumentTypeError(f"{text} is asked for, and torch finds no CUDA device; leave it out for cpu")
    return text


def _within(kind: type, name: str, lowest: float, highest: float | None) -> Callable[[str], float]:
    bounds = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not lowest <= value <= (math.inf if highest is None else highest) or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{text!r} must be {name} {bounds}")
        return value

    return read
