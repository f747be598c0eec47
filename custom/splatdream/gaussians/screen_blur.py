"""The blur that was part of what was trained.

A rasterizer widens every Gaussian on the screen by a variance of 0.3 pixels^2. A cloud that was optimized at 64 pixels
looks right with that blur, and too thin without it or at a higher resolution.
"""

from dataclasses import replace

import torch

from .cloud import GaussianCloud

SCREEN_VARIANCE_PX2 = 0.3
"""What 3DGS and gsplat add (eps2d)."""


def with_screen_blur(cloud: GaussianCloud, pixel: float) -> GaussianCloud:
    """The cloud that looks, at any higher resolution, as `cloud` does at `pixel` world units a pixel; 0 is no blur.

    Raises:
        ValueError: the pixel size is negative.
    """
    if pixel < 0:
        raise ValueError(f"the size of a pixel must not be negative, got {pixel}")
    if pixel == 0:
        return cloud
    variances = cloud.scales.square() + SCREEN_VARIANCE_PX2 * pixel**2
    return replace(cloud, log_scales=0.5 * torch.log(variances))
