"""How much a result looks like itself after a turn. Needs no prior and no label, and cannot tell a Janus from a vase.

N views at equally spaced azimuths, once round, on white.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

TURNS_DEG = (90, 120, 180)


@dataclass(frozen=True)
class SelfSimilarity:
    """Similarities are at most 1, for equal images."""

    by_turn_deg: dict[int, float]
    """For each of `TURNS_DEG`, the mean similarity of a view and the view after that turn."""

    @property
    def most(self) -> float:
        """Near 1 where some turn changes nothing: a repeated side, or a symmetric object."""
        return max(self.by_turn_deg.values())

    @property
    def least(self) -> float:
        """Near 1 where no turn changes anything: all sides are one picture."""
        return min(self.by_turn_deg.values())


def self_similarity(images: Float[Tensor, "N H W 3"]) -> SelfSimilarity:
    """2 <a, b> / (<a, a> + <b, b>) of what two views have besides white, the mean over all pairs a turn apart.

    Raises:
        ValueError: N is not a multiple of 12, so that a turn has no counterpart.
    """
    if len(images) % 12:
        raise ValueError(f"{len(images)} views do not divide into turns of 90 and 120 degrees; take a multiple of 12")
    ink = 1 - images.flatten(1)
    squares = ink.square().sum(dim=1)
    similarities = {}
    for turn_deg in TURNS_DEG:
        steps = len(images) * turn_deg // 360
        products = (ink * ink.roll(-steps, dims=0)).sum(dim=1)
        # Two empty views are alike.
        pairs = (2 * products + 1e-6) / (squares + squares.roll(-steps) + 1e-6)
        similarities[turn_deg] = float(pairs.mean())
    return SelfSimilarity(similarities)
