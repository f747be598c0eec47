"""Perp-Neg's view terms: which directions each view's text mixes, and which it is pushed away from.

B cameras, K = 3 terms a camera.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.conventions import wrap_degrees
from .directions import ViewDirection, ViewThresholds

Decay = tuple[float, float, float]


@dataclass(frozen=True)
class PerpNegDecays:
    """Size of each negative weight: a exp(-b r) + c of the share r named below (arXiv:2304.04968, as in threestudio).

    A direction that is the whole mix is not pushed away from: its weight vanishes there.
    """

    front_side: Decay = (4.0, 0.5, -2.426)
    """Away from front, r being the share of front: none at the front, 1.57 at the side."""
    side_front: Decay = (4.0, 0.5, -2.426)
    """Away from side, r being the share of side."""
    side_back: Decay = (1.0, 0.5, -0.606)
    """Away from side on the back half, r being the share of side: 0.39 at the back, none at the side."""
    front_back: Decay = (1.0, 0.5, 0.967)
    """Away from front on the back half, r being the share of side: 1.97 at the back, 1.57 at the side."""


@dataclass(frozen=True)
class PerpNegTerms:
    """Per camera: a mix of directions to go toward, and directions to go away from."""

    rows: Int[Tensor, "K B"]
    """`ViewDirection` of each term."""
    positive_weights: Float[Tensor, "K B"]
    """Shares of the mix; they sum to 1 over the terms."""
    negative_weights: Float[Tensor, "K B"]
    """0 or below."""

    def scaled(self, strength: float) -> "PerpNegTerms":
        """The same with negative weights `strength` times as large."""
        return PerpNegTerms(self.rows, self.positive_weights, strength * self.negative_weights)

    def __getitem__(self, chosen: Int[Tensor, "b"]) -> "PerpNegTerms":
        """The terms of some of the cameras."""
        return PerpNegTerms(self.rows[:, chosen], self.positive_weights[:, chosen], self.negative_weights[:, chosen])


def perp_neg_terms(
    elevation_deg: Float[Tensor, "B"],
    azimuth_deg: Float[Tensor, "B"],
    thresholds: ViewThresholds = ViewThresholds(),  # noqa: B008 - frozen
    decays: PerpNegDecays = PerpNegDecays(),
) -> PerpNegTerms:
    """Terms that change continuously with the azimuth from front (0) over side (90) to back (180).

    The terms are front, side and back. Front half: front and side are mixed, and each is also a negative. Back half:
    side and back are mixed, side and front are negatives. Overhead views have their one text and no negative.
    """
    turn = wrap_degrees(azimuth_deg).abs() / 90
    front, back = (1 - turn).clamp(min=0), (turn - 1).clamp(min=0)
    side = 1 - front - back
    is_front_half, is_overhead = turn < 1, elevation_deg > thresholds.overhead_deg
    from_front = torch.where(is_front_half, _decay(decays.front_side, front), _decay(decays.front_back, side))
    from_side = torch.where(is_front_half, _decay(decays.side_front, side), _decay(decays.side_back, side))
    positive = torch.stack([front, side, back])
    negative = -torch.stack([from_front, from_side, torch.zeros_like(back)])
    rows = torch.tensor([ViewDirection.FRONT, ViewDirection.SIDE, ViewDirection.BACK])[:, None].repeat(1, len(turn))
    rows[0, is_overhead] = ViewDirection.OVERHEAD
    positive[:, is_overhead] = torch.tensor([1.0, 0.0, 0.0])[:, None].to(positive)
    negative[:, is_overhead] = 0
    return PerpNegTerms(rows, positive, negative)


def _decay(decay: Decay, share: Tensor) -> Tensor:
    scale, rate, shift = decay
    # The published shifts end 5e-4 short of zero; a negative of a negative would attract.
    return (scale * torch.exp(-rate * share) + shift).clamp(min=0)
