"""Arcs of views round an object that show its front: how many there are tells how many faces it has.

N views at equally spaced azimuths, once round.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

WIDE_FRONT_DEG = 180.0
"""A front arc wider than this is a repeated face: a face that reaches round the object."""
SMOOTHING_DEG = 45.0
"""A single odd view is not a face: each view is judged with its neighbors within half of this to either side."""


@dataclass(frozen=True)
class FrontArcs:
    """The runs of views that show a front."""

    count: int
    widest_deg: float
    """0 without any; 360 when every view shows a front."""

    @property
    def is_repeated(self) -> bool:
        """Two or more fronts, or one that reaches more than half round: the Janus failure."""
        return self.count >= 2 or self.widest_deg > WIDE_FRONT_DEG


def front_arcs(is_front: Bool[Tensor, "N"]) -> FrontArcs:
    """The arcs of views that show a front, without any smoothing."""
    lengths = _run_lengths(is_front)
    return FrontArcs(len(lengths), max(lengths, default=0) * 360 / len(is_front))


def majority(is_front: Bool[Tensor, "N"]) -> Bool[Tensor, "N"]:
    """For each view, what most of its neighbors show."""
    return smoothed(is_front.float()) > 0.5


def smoothed(values: Float[Tensor, "N"], width_deg: float = SMOOTHING_DEG) -> Float[Tensor, "N"]:
    """For each view, the mean over itself and its neighbors within half of the width."""
    reach = int(width_deg / 2 / (360 / len(values)))
    return sum(values.roll(shift) for shift in range(-reach, reach + 1)) / (2 * reach + 1)


def _run_lengths(flags: Bool[Tensor, "N"]) -> list[int]:
    """Lengths of the runs of True round the circle."""
    if flags.all():
        return [len(flags)]
    values = flags.tolist()
    start = values.index(False)
    lengths, current = [], 0
    for flag in [*values[start:], *values[:start], False]:
        if flag:
            current += 1
        elif current:
            lengths.append(current)
            current = 0
    return lengths
