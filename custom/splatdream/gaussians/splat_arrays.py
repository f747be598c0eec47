"""Gaussians as splat renderers of the browser take them: centers, covariances, one color and one opacity each.

N Gaussians.
"""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .cloud import GaussianCloud
from .rotations import quat_to_matrix
from .spherical_harmonics import evaluate_sh, sh0_to_rgb


def splat_arrays(cloud: GaussianCloud, eye: Float[Tensor, "3"] | None = None) -> dict[str, np.ndarray]:
    """`centers` [N, 3], `covariances` [N, 3, 3], `rgbs` [N, 3] and `opacities` [N, 1]; colors and opacities in [0, 1].

    Args:
        eye: from where the colors are seen, by all spherical harmonics; None shows the color of degree 0.
    """
    axes = quat_to_matrix(cloud.quats) * cloud.scales[:, None, :]
    if eye is None or cloud.sh_degree == 0:
        rgbs = sh0_to_rgb(cloud.sh0[:, 0])
    else:
        rgbs = evaluate_sh(cloud.sh_degree, cloud.sh, cloud.means - eye) + 0.5
    return {
        "centers": cloud.means.numpy(),
        "covariances": (axes @ axes.mT).numpy(),
        "rgbs": rgbs.clamp(0, 1).numpy(),
        "opacities": cloud.opacities[:, None].numpy(),
    }
