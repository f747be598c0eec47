"""How close images are to their references: PSNR, SSIM, and the overlap of silhouettes. One number an image.

B images with values in [0, 1].
"""

import torch
from jaxtyping import Float
from torch import Tensor

MAX_PSNR = 100.0
"""Decibels given to equal images, so that means stay finite."""
_WINDOW_SIZE, _WINDOW_SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr(images: Float[Tensor, "B H W C"], references: Float[Tensor, "B H W C"]) -> Float[Tensor, "B"]:
    """Peak signal-to-noise ratio of each image in decibels, at most `MAX_PSNR`."""
    return psnr_of_mean_squares((images - references).square().mean(dim=(1, 2, 3)))


def psnr_of_mean_squares(mean_squares: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """-10 log10 of mean squared errors, in decibels, at most `MAX_PSNR`."""
    return -10 * mean_squares.clamp(min=10 ** (-MAX_PSNR / 10)).log10()


def ssim(images: Float[Tensor, "B H W C"], references: Float[Tensor, "B H W C"]) -> Float[Tensor, "B"]:
    """Structural similarity of each image: Gaussian window of 11 pixels, sigma 1.5 (Wang et al. 2004, eq. 13).

    Averaged over the windows that lie wholly in the image, and over channels.

    Raises:
        ValueError: the images are smaller than the window.
    """
    if min(images.shape[1:3]) < _WINDOW_SIZE:
        raise ValueError(f"SSIM needs images of at least {_WINDOW_SIZE} pixels, got {list(images.shape[1:3])}")
    x, y = images.movedim(-1, 1), references.movedim(-1, 1)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = _blur(torch.stack([x, y, x * x, y * y, x * y]))
    variance_x, variance_y = mean_xx - mean_x**2, mean_yy - mean_y**2
    covariance = mean_xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def silhouette_iou(alphas: Float[Tensor, "B H W 1"], references: Float[Tensor, "B H W 1"]) -> Float[Tensor, "B"]:
    """Shared over joint area of what is more opaque than 0.5; 1 where both images are empty."""
    a, b = alphas > 0.5, references > 0.5
    joint = (a | b).sum(dim=(1, 2, 3))
    shared = (a & b).sum(dim=(1, 2, 3))
    return torch.where(joint > 0, shared / joint.clamp(min=1), 1.0)


def _blur(images: Float[Tensor, "S B C H W"]) -> Float[Tensor, "S B C h w"]:
    """With the SSIM window, without padding."""
    rows, columns = (_window_matrix(side, images) for side in images.shape[-2:])
    # Matrices, since convolving single channels takes a CPU 15 times as long, backward pass included.
    return rows @ images @ columns.T


def _window_matrix(side: int, like: Tensor) -> Float[Tensor, "window side"]:
    """The window at each place that it fits into a side of that many pixels."""
    offsets = (
        torch.arange(side, dtype=like.dtype, device=like.device)
        - torch.arange(side - _WINDOW_SIZE + 1, dtype=like.dtype, device=like.device)[:, None]
    )
    weights = torch.exp(-(offsets - _WINDOW_SIZE // 2).square() / (2 * _WINDOW_SIGMA**2))
    weights = weights * ((offsets >= 0) & (offsets < _WINDOW_SIZE))
    return weights / weights.sum(dim=1, keepdim=True)
