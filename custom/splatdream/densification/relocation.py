"""Several Gaussians in the place of one, and noise on centers. Pure: a cloud in, numbers out.

From 3D Gaussian Splatting as Markov Chain Monte Carlo (arXiv:2404.09591), in which a cloud is a sample: no step of this
file may change the picture much.

N Gaussians.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.rotations import quat_to_matrix

NOISE_STEEPNESS = 100.0
"""Of the gate that lets noise through to transparent Gaussians."""
NOISE_OPACITY = 0.005
"""Where the gate is half open; at 0.05 it lets 1 % through."""


def shared(cloud: GaussianCloud, counts: Int[Tensor, "N"]) -> GaussianCloud:
    """One of `counts` equal Gaussians that together look as each Gaussian of `cloud` did (eq. 9).

    The opacity 1 - (1 - o)^(1 / n) gives the n of them the old opacity in the middle, and the scales shrink until their
    common alpha along a line through the center has the old integral.
    """
    counts = counts.double()
    log_left = torch.nn.functional.logsigmoid(-cloud.opacity_logits.double()) / counts  # log (1 - o)^(1 / n)
    opacities = -torch.expm1(log_left)
    shrink = cloud.opacities.double() / line_integral(opacities, counts)
    values = cloud.tensors()
    values["log_scales"] = (cloud.log_scales + shrink.log()[:, None]).to(cloud.log_scales)
    values["opacity_logits"] = (opacities.log() - log_left).to(cloud.opacity_logits)
    return GaussianCloud(**values)


def line_integral(opacities: Float[Tensor, "N"], counts: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Integral of 1 - (1 - o g)^n over a line, relative to that of the Gaussian footprint g itself.

    By the binomial theorem: the sum over k from 1 to n of (n over k) (-1)^(k + 1) o^k / sqrt(k). Equation 9 writes
    it as a double sum, which summation over its first index turns into this one.
    """
    total = torch.zeros_like(opacities)
    term = -torch.ones_like(opacities)
    for k in range(1, int(counts.max()) + 1 if len(counts) else 1):
        term = -term * opacities * (counts - k + 1) / k
        total = total + term / k**0.5
    return total


def center_noise(cloud: GaussianCloud, strength: float, generator: torch.Generator) -> Float[Tensor, "N 3"]:
    """What moves each center: the nearer to transparent and the larger a Gaussian is, the more.

    strength * sigmoid(k (t - o)) * covariance * standard normal, with k = NOISE_STEEPNESS and t = NOISE_OPACITY.

    Args:
        strength: in 1 / world unit: times the variance along an axis, the standard deviation of the noise along it.
    """
    normal = torch.randn(cloud.means.shape, generator=generator).to(cloud.means)
    gate = torch.sigmoid(NOISE_STEEPNESS * (NOISE_OPACITY - cloud.opacities))
    axes = quat_to_matrix(cloud.quats)
    along_axes = cloud.scales.square() * (axes.mT @ normal[:, :, None])[:, :, 0]
    return strength * gate[:, None] * (axes @ along_axes[:, :, None])[:, :, 0]
