"""Classifier-free guidance. The one place and the one convention: guidance_scale 1 is the conditional prediction."""

from jaxtyping import Float
from torch import Tensor


def guide(
    unconditional: Float[Tensor, "B ..."], conditional: Float[Tensor, "B ..."], guidance_scale: float
) -> Float[Tensor, "B ..."]:
    """unconditional + s (conditional - unconditional) (arXiv:2207.12598; s = 1 + w with the paper's w)."""
    return unconditional + guidance_scale * (conditional - unconditional)
