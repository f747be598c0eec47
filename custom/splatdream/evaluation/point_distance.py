"""How far two sets of surface points are from each other."""

import torch
from jaxtyping import Float
from torch import Tensor

# Bounds memory: distances of this many points to all others are held at a time.
_POINTS_AT_ONCE = 2048


def chamfer_distance(a: Float[Tensor, "N 3"], b: Float[Tensor, "M 3"]) -> float:
    """The mean of the two mean distances to the nearest point of the other set, world units (distances, not squares).

    Raises:
        ValueError: a set is empty.
    """
    if not len(a) or not len(b):
        raise ValueError(f"both point sets need points, got {len(a)} and {len(b)}")
    return 0.5 * (_mean_nearest(a, b) + _mean_nearest(b, a))


def _mean_nearest(points: Float[Tensor, "N 3"], others: Float[Tensor, "M 3"]) -> float:
    nearest = [torch.cdist(chunk, others).amin(dim=1) for chunk in points.split(_POINTS_AT_ONCE)]
    return float(torch.cat(nearest).double().mean())
