"""How far a render is from the picture that it was made from, seen from the same camera.

H rows, W columns of pixels.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn


def reference_losses(
    rgb: Float[Tensor, "1 H W 3"],
    opacity: Float[Tensor, "1 H W 1"],
    background: Float[Tensor, "1 H W 3"],
    picture: Float[Tensor, "1 H W 4"],
) -> Mapping[str, Float[Tensor, ""]]:
    """Mean squares by name, `rgb` and `mask`, as in threestudio's zero123 system.

    There pixels belong to the object or do not; here by the picture's alpha, which is the same where that is 0 or 1.

    Args:
        background: what is behind the object in the render, and therefore behind it in the picture, too.
        picture: color times alpha, and alpha.
    """
    color, alpha = picture.split([3, 1], dim=-1)
    return {
        "rgb": nn.functional.mse_loss(rgb, color + (1 - alpha) * background),
        "mask": nn.functional.mse_loss(opacity, alpha),
    }
