"""Which object a result is, apart from how many faces it has: nearer to the right one than to any other?

N views of the result; O other objects; A azimuths of the truth.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

MIN_MARGIN_DB = 0.3
"""Measured over six objects: the right one gives 0.8 to 2.6 dB as loose Gaussians on its surface, 0.9 to 2.2 blurred
to 8 x 8 pixels, 8 behind noise of standard deviation 0.1, 35 at half of its contrast; noise and an empty image give 0,
another object less than -30."""


@dataclass(frozen=True)
class Recognition:
    """How much nearer the views of a result are to the right object than to the nearest other one."""

    margin_db: float
    """Decibels of unexplained image; 0 for what resembles all objects alike."""

    @property
    def is_recognizable(self) -> bool:
        return self.margin_db >= MIN_MARGIN_DB


def recognize(
    renders: Float[Tensor, "N H W 3"], truth: Float[Tensor, "A H W 3"], others: Float[Tensor, "O A H W 3"]
) -> Recognition:
    """Match every view with the nearest view of each object.

    What of a view is unexplained by another one is 1 - correlation^2 of their pixels, so that a pale result is as
    recognizable as a saturated one.
    """
    right = _unexplained(renders, truth)
    wrong = torch.stack([_unexplained(renders, other) for other in others]).min()
    return Recognition(float(10 * (wrong / right).log10()))


def _unexplained(renders: Float[Tensor, "N H W 3"], views: Float[Tensor, "A H W 3"]) -> Float[Tensor, ""]:
    """The mean over the renders of what the best view leaves, at least 1e-4."""
    correlation = _standardized(renders) @ _standardized(views).T
    return (1 - correlation.amax(dim=1).clamp(min=0).square()).clamp(min=1e-4).mean()


def _standardized(images: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B pixels"]:
    flat = images.flatten(1)
    return torch.nn.functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)
