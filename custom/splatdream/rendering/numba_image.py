"""Numba kernels: accumulated planes to images with background and expected depth, and the gradient back.

C cameras, D channels. Planes [C,5,H,W] are red, green, blue, depth, alpha without a background.
"""

import numpy as np
from numba import njit

from .numba_lanes import JIT_OPTIONS

_ONE = np.float32(1)
_ZERO = np.float32(0)
_MIN_ALPHA = np.float32(1e-10)  # gsplat's floor under alpha where depth is divided by it


@njit(**JIT_OPTIONS)
def planes_to_images(first, last, planes, backgrounds, has_rgb, has_depth, is_expected_depth, images, alphas):
    """Fills the rows first..last-1 (camera-major) of images [C,H,W,D] and alphas [C,H,W,1]."""
    _, height, width, _ = images.shape
    for task in range(first, last):
        camera, y = task // height, task % height
        for x in range(width):
            alpha = planes[camera, 4, y, x]
            alphas[camera, y, x, 0] = alpha
            if has_rgb:
                for channel in range(3):
                    images[camera, y, x, channel] = (
                        planes[camera, channel, y, x] + (_ONE - alpha) * backgrounds[camera, channel]
                    )
            if has_depth:
                divisor = max(alpha, _MIN_ALPHA) if is_expected_depth else _ONE
                images[camera, y, x, -1] = planes[camera, 3, y, x] / divisor


@njit(**JIT_OPTIONS)
def images_to_planes_backward(
    first, last, planes, backgrounds, has_rgb, has_depth, is_expected_depth, grad_images, grad_alphas, grad_planes
):
    """Fills the rows first..last-1 (camera-major) of grad_planes [C,5,H,W]."""
    _, height, width, _ = grad_images.shape
    for task in range(first, last):
        camera, y = task // height, task % height
        for x in range(width):
            grad_alpha = grad_alphas[camera, y, x, 0]
            for channel in range(3):
                gradient = grad_images[camera, y, x, channel] if has_rgb else _ZERO
                grad_planes[camera, channel, y, x] = gradient
                grad_alpha -= gradient * backgrounds[camera, channel]
            grad_depth = grad_images[camera, y, x, -1] if has_depth else _ZERO
            if is_expected_depth:
                alpha = planes[camera, 4, y, x]
                grad_depth /= max(alpha, _MIN_ALPHA)
                if alpha > _MIN_ALPHA:
                    grad_alpha -= grad_depth * planes[camera, 3, y, x] / alpha
            grad_planes[camera, 3, y, x] = grad_depth
            grad_planes[camera, 4, y, x] = grad_alpha
