"""The window of a run: two files in its folder, by which whoever watches asks, and the run answers.

Neither waits for the other, and a run that nobody watches looks at its clock, twice a second at one file, and writes
nothing. B views of a step.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..storage.atomic_file import atomic_path, write_text

WINDOW = "live"
"""The folder of both files, in the folder of a run."""
_ASKED, _SHOWN = "asked.json", "shown.safetensors"
_LOOK_EVERY_S = 0.5
_VALID_S = 5.0
"""A question counts for so long: who closes the page asks no more."""
_CLOUD, _PICTURE = "cloud.", "picture."


@dataclass(frozen=True)
class Asked:
    """What a watcher wants to see."""

    every_s: float = 1.0
    """Seconds from one answer to the next."""
    pictures: bool = False
    """Whether the prior's view is wanted, too, which costs evaluations of the denoiser."""


@dataclass(frozen=True)
class Shown:
    """What a run answers."""

    step: int
    """Optimizer steps so far."""
    cloud: GaussianCloud | None
    """None of an asset that has no Gaussians."""
    c2w: Float[Tensor, "B 4 4"]
    """Of the step's views, as in `CameraBatch`."""
    fovy_rad: Float[Tensor, "B"]
    aspect: float
    """Width by height of the views."""
    pictures: Mapping[str, Float[Tensor, "B h w 3"]] = field(default_factory=dict)
    """By name, all of one size, in [0, 1]."""


class RunWindow:
    """The run's side.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / WINDOW
        self._last_look_s = self._last_answer_s = -math.inf

    def asked(self) -> Asked | None:
        """What is wanted now; None where nobody watches, or the last answer is not old enough."""
        now = time.monotonic()
        if now - self._last_look_s < _LOOK_EVERY_S:
            return None
        self._last_look_s = now
        try:
            is_valid = time.time() - (self._folder / _ASKED).stat().st_mtime < _VALID_S
            asked = Asked(**json.loads((self._folder / _ASKED).read_text())) if is_valid else None
        except (OSError, ValueError, TypeError):  # nobody ever asked, or in the words of another version
            return None
        # Half a look early rather than one late.
        is_due = asked is not None and now - self._last_answer_s > asked.every_s - _LOOK_EVERY_S / 2
        return asked if is_due else None

    def show(self, shown: Shown) -> None:
        """Answers. Raises OSError where the folder cannot be written."""
        tensors = {"c2w": shown.c2w, "fovy_rad": shown.fovy_rad}
        tensors |= {_PICTURE + name: images for name, images in shown.pictures.items()}
        if shown.cloud is not None:
            tensors |= {_CLOUD + name: tensor for name, tensor in shown.cloud.tensors().items()}
        words = {"step": str(shown.step), "aspect": str(shown.aspect)}
        with atomic_path(self._folder / _SHOWN) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, words)
        self._last_answer_s = time.monotonic()

    def close(self) -> None:
        """Nothing is answered any more."""
        for name in (_ASKED, _SHOWN):
            (self._folder / name).unlink(missing_ok=True)


def ask(folder: Path, asked: Asked) -> None:
    """Asks the run in a folder, for some seconds; to be repeated as long as somebody watches."""
    write_text(folder / WINDOW / _ASKED, json.dumps({"every_s": asked.every_s, "pictures": asked.pictures}))


def read_shown(folder: Path) -> Shown | None:
    """The last answer of the run in a folder; None where it has not answered, or has ended."""
    try:
        with safe_open(folder / WINDOW / _SHOWN, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            words = file.metadata()
    except (OSError, SafetensorError):
        return None
    raw = _with(_CLOUD, tensors)
    return Shown(
        step=int(words["step"]),
        cloud=GaussianCloud(**raw) if raw else None,
        c2w=tensors["c2w"],
        fovy_rad=tensors["fovy_rad"],
        aspect=float(words["aspect"]),
        pictures=_with(_PICTURE, tensors),
    )


def answered_ns(folder: Path) -> int:
    """When the run in a folder answered last, nanoseconds; 0 where it has not."""
    try:
        return (folder / WINDOW / _SHOWN).stat().st_mtime_ns
    except OSError:
        return 0


def _with(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
