"""The results by which measures are calibrated: put together from toybox objects, so that their verdict is known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from ..cameras.random_streams import generator_for
from ..toybox.objects import build_scene
from ..toybox.scene import Scene
from ..toybox.vocabulary import COLORS, FACED_OBJECTS, FRONTLESS_OBJECTS, ToyboxCaption
from .constructed_cases import collapsed, faded, true_object, turned, wedges
from .ground_truth import RenderFunction

TRUE = "true"
VERDICTS = {
    TRUE: "ok",
    "two faces": "repeated",
    "three faces": "repeated",
    "two backs": "faceless",
    "one front": "collapsed",
    "no front": "frontless",
}
"""The right verdict of each kind of case."""
_BUILDERS: dict[str, Callable[[Scene], RenderFunction]] = {
    TRUE: true_object,
    "two faces": lambda scene: wedges(scene, 2),
    "three faces": lambda scene: wedges(scene, 3),
    "two backs": lambda scene: wedges(scene, 2, kept_deg=180.0),
    "one front": lambda scene: collapsed(true_object(scene)),
}


@dataclass(frozen=True)
class Case:
    """One constructed result."""

    kind: str
    caption: ToyboxCaption
    turn_deg: float
    """By which it is turned, so that no measure can rest on where fronts usually are."""
    is_faded: bool = False

    @property
    def key(self) -> str:
        return f"{self.caption}: {self.kind}{', faded' if self.is_faded else ''}"

    def render_function(self) -> RenderFunction:
        build = _BUILDERS.get(self.kind, true_object)
        render = turned(build(build_scene(self.caption)), self.turn_deg)
        return faded(render) if self.is_faded else render


def calibration_cases(seed: int = 0) -> Iterator[Case]:
    """Every faced object in all kinds and every object without a front, first sharp, then faded in another color."""
    colors = list(COLORS)
    for is_faded in (False, True):
        for index, name in enumerate((*FACED_OBJECTS, *FRONTLESS_OBJECTS)):
            caption = ToyboxCaption(name, colors[(index + 3 * is_faded) % len(colors)])
            generator = generator_for(seed, "calibration-turn", index * len(colors) + is_faded)
            turn_deg = 360 * float(torch.rand((), generator=generator))
            kinds = _BUILDERS if name in FACED_OBJECTS else ("no front",)
            for kind in kinds:
                yield Case(kind, caption, turn_deg, is_faded)
