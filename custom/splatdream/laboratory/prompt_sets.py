"""Prompts that a plan names: a list, the lines of a file, a set, or a draw from either."""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..toybox.vocabulary import ACCESSORIES, COLORS, FACED_OBJECTS, OBJECTS, ToyboxCaption


def _objects() -> list[str]:
    """Every object in a color of its own, so that all colors are seen."""
    colors = list(COLORS)
    return [str(ToyboxCaption(name, colors[number % len(colors)])) for number, name in enumerate(OBJECTS)]


def _faced() -> list[str]:
    """Every object with a front in every color."""
    return [str(ToyboxCaption(name, color)) for name in FACED_OBJECTS for color in COLORS]


def _dressed() -> list[str]:
    """The same, each wearing something of another color."""
    return [
        str(ToyboxCaption(name, color, accessory, other))
        for name in FACED_OBJECTS
        for color in COLORS
        for accessory in ACCESSORIES
        for other in COLORS
        if other != color
    ]


PROMPT_SETS: Mapping[str, Callable[[], list[str]]] = {
    "toybox-objects": _objects,
    "toybox-faced": _faced,
    "toybox-dressed": _dressed,
}
"""By the name that plans use; a new set is a function and a line here."""
_KEYS = ("set", "file", "draw", "seed")


def chosen_prompts(given: object, folder: Path) -> Sequence[str]:
    """The texts of a list, of `{set: NAME}` or of `{file: PATH}`; with `draw: N`, N of them by `seed: S`.

    Args:
        folder: that the path begins at.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what is given is none of these, or has fewer prompts than are to be drawn.
    """
    if isinstance(given, list):
        return [str(prompt) for prompt in given]
    if not isinstance(given, dict) or len({"set", "file"} & set(given)) != 1 or set(given) - set(_KEYS):
        raise ValueError(f"prompts {given!r} must be a list, or keys of {', '.join(_KEYS)} with a set or a file")
    prompts = _of_file(folder / str(given["file"])) if "file" in given else _of_set(str(given["set"]))
    if "draw" not in given:
        return prompts
    count = given["draw"]
    if type(count) is not int or not 0 < count <= len(prompts):
        raise ValueError(f"cannot draw {count!r} prompts from {len(prompts)}; draw from 1 to all of them")
    return random.Random(given.get("seed", 0)).sample(prompts, count)


def _of_file(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _of_set(name: str) -> list[str]:
    if name not in PROMPT_SETS:
        raise ValueError(f"there is no set of prompts '{name}'; there are {', '.join(PROMPT_SETS)}")
    return PROMPT_SETS[name]()
