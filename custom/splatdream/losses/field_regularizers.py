"""What is asked of a field besides pleasing the prior; names and formulas of threestudio, so that weights carry over.

S samples along rays, B views of H x W pixels.
"""

import torch
from jaxtyping import Float
from torch import Tensor

# Binary cross entropy has no bound at 0 and 1.
_MARGIN = 1e-3


def orientation_loss(
    weights: Float[Tensor, "S"],
    normals: Float[Tensor, "S 3"],
    directions: Float[Tensor, "S 3"],
    opacity: Float[Tensor, "B H W 1"],
) -> Float[Tensor, ""]:
    """Mean over covered pixels of the weighted squares of cosines: what is seen must not face away.

    Ref-NeRF (arXiv:2112.03907, eq. 11), with constant weights as in DreamFusion.
    """
    facing_away = (normals * directions).sum(-1).clamp(min=0).square()
    return (weights.detach() * facing_away).sum() / (opacity > 0).sum().clamp(min=1)


def sparsity_loss(opacity: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Mean of sqrt(opacity^2 + 0.01): views stay empty where the prior does not mind (DreamFusion, appendix A.2)."""
    return (opacity.square() + 0.01).sqrt().mean()


def opaque_loss(opacity: Float[Tensor, "B H W 1"]) -> Float[Tensor, ""]:
    """Mean entropy of the opacity: pixels are either empty or covered."""
    bounded = opacity.clamp(_MARGIN, 1 - _MARGIN)
    return torch.nn.functional.binary_cross_entropy(bounded, bounded)
