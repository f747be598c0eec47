"""Perp-Neg: away from other views, but not away from what they share with this one (arXiv:2304.04968).

B views, K terms a view.
"""

from jaxtyping import Float
from torch import Tensor

from ..storage.device_copies import sent


def perpendicular(vectors: Float[Tensor, "B ..."], reference: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """What is left of each vector without its component along the reference; the vector itself if that is zero."""
    along = (vectors * reference).flatten(1).sum(dim=1)
    length = reference.square().flatten(1).sum(dim=1)
    share = along / length.clamp(min=1e-6)
    return vectors - share.reshape(-1, *[1] * (vectors.ndim - 1)) * reference


def perp_neg_direction(
    directions: Float[Tensor, "K B ..."],
    positive_weights: Float[Tensor, "K B"],
    negative_weights: Float[Tensor, "K B"],
) -> Float[Tensor, "B ..."]:
    """d+ + sum_k w_k perpendicular(d_k, d+) with d+ = sum_k p_k d_k.

    Args:
        directions: d_k, prediction for a text minus the unconditional prediction.
        positive_weights: p_k, shares of the mix of texts that describes the view.
        negative_weights: w_k, 0 or below.
    """
    shape = (*positive_weights.shape, *[1] * (directions.ndim - 2))
    main = (sent(positive_weights, directions.device, directions.dtype).reshape(shape) * directions).sum(dim=0)
    weights = sent(negative_weights, directions.device, directions.dtype).reshape(shape)
    result = main
    for weight, direction in zip(weights, directions, strict=True):
        result = result + weight * perpendicular(direction, main)
    return result
