"""Bounds on the elements of the gradient."""

from jaxtyping import Float
from torch import Tensor


def clip_gradient(gradient: Float[Tensor, "B ..."], limit: float) -> Float[Tensor, "B ..."]:
    """Every element within +-limit (D-SDS, arXiv:2303.15413: a limit that rises during the run); 0 is no limit.

    The limit is one of the weighted gradient w(t) (prediction - noise), before it is scaled for the run.
    """
    if limit < 0:
        raise ValueError(f"gradient_clip {limit} must not be negative; 0 switches it off")
    return gradient.clamp(-limit, limit) if limit > 0 else gradient
