"""How a result looks, whatever it should be: saturation, sharpness, loose pieces, and likeness to itself after a turn.

B or N views, at equally spaced azimuths once round, on white, in [0, 1].
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_IS_COVERED = 0.5


@dataclass(frozen=True)
class Appearance:
    """Means over the views."""

    saturation: float
    """Of covered pixels, (max - min) / max of the channels: 0 gray, 1 pure. Score distillation exaggerates it."""
    sharpness: float
    """Mean absolute difference of neighboring covered pixels' luminance: blurred results have little."""
    floater_share: float
    """Share of the covered pixels that do not hang together with the largest piece."""
    coverage: float
    """Share of the image that is covered."""


def appearance(rgb: Float[Tensor, "B H W 3"], alpha: Float[Tensor, "B H W 1"]) -> Appearance:
    """Of views on white; an empty result has 0 everywhere."""
    covered = alpha[..., 0] > _IS_COVERED
    largest, least = rgb.amax(dim=-1), rgb.amin(dim=-1)
    saturation = (largest - least) / largest.clamp(min=1e-6)
    luminance = rgb @ torch.tensor([0.2126, 0.7152, 0.0722]).to(rgb)
    both = covered[:, :, 1:] & covered[:, :, :-1]
    steps = (luminance[:, :, 1:] - luminance[:, :, :-1]).abs()
    return Appearance(
        saturation=_mean_over(saturation, covered),
        sharpness=_mean_over(steps, both),
        floater_share=float(np.mean([_outside_of_largest(view) for view in covered.cpu().numpy()])),
        coverage=float(covered.float().mean()),
    )


def _mean_over(values: Tensor, mask: Tensor) -> float:
    return float((values * mask).sum() / mask.sum().clamp(min=1))


def _outside_of_largest(covered: np.ndarray) -> float:
    from scipy import ndimage

    pieces, count = ndimage.label(covered, structure=np.ones((3, 3)))
    if count == 0:
        return 0.0
    sizes = np.bincount(pieces.reshape(-1))[1:]
    return float(1 - sizes.max() / sizes.sum())


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
