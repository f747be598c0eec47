"""How a result looks, whatever it should be: saturation, sharpness, and pieces that float beside it.

B views in [0, 1].
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
