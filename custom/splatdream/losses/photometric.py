"""What a render is asked to look like by an image of the same view (3DGS sec. 5, arXiv:2308.04079).

B views.
"""

from jaxtyping import Float
from torch import Tensor

from ..evaluation.image_metrics import ssim


def absolute_difference(images: Float[Tensor, "B H W 3"], references: Float[Tensor, "B H W 3"]) -> Float[Tensor, ""]:
    """L1, the mean over pixels and channels."""
    return (images - references).abs().mean()


def structural_difference(images: Float[Tensor, "B H W 3"], references: Float[Tensor, "B H W 3"]) -> Float[Tensor, ""]:
    """1 - SSIM, the mean over the views; 0 for equal images."""
    return 1 - ssim(images, references).mean()
