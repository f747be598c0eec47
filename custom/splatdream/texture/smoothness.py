"""Total variation of a texture, within charts.

H x W texels.
"""

from jaxtyping import Bool, Float
from torch import Tensor


def total_variation(texture: Float[Tensor, "H W C"], is_covered: Bool[Tensor, "H W"]) -> Float[Tensor, ""]:
    """Mean squared difference between neighbors that both belong to a chart; differentiable."""
    down = (texture[1:] - texture[:-1]).square().mean(-1)
    right = (texture[:, 1:] - texture[:, :-1]).square().mean(-1)
    both_down, both_right = is_covered[1:] & is_covered[:-1], is_covered[:, 1:] & is_covered[:, :-1]
    total = (down * both_down).sum() + (right * both_right).sum()
    return total / (both_down.sum() + both_right.sum()).clamp(min=1)
