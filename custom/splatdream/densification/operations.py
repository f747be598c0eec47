"""What becomes of a Gaussian that is cloned, split or faded. Pure: a cloud in, a cloud out.

The picture should hardly change when rows do. 3DGS duplicates a Gaussian as it is, which changes what one cloned
Gaussian adds to the image by 41 to 93 % (relative L2 norm, opacities from 0.99 down to 0.1), and replaces a split one
by two random samples of it, which changes it by 75 %. Here the numbers are 3 to 13 % and about 17 %.

N Gaussians.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.rotations import quat_to_matrix

# Chosen on fits of three toybox objects, 2000 Gaussians. Dividing by 1.6 along the axis alone changes the picture least
# (14 %) but ends 0.2 dB lower than sampled halves; these constants end within 0.1 dB of them.
SPLIT_SHRINK = 1.6
"""By which the scale along the axis of the split is divided: the number by which 3DGS divides all three."""
SPLIT_SHRINK_ACROSS = 1.2
"""By which the other two scales are divided."""
SPLIT_OFFSET = 0.6
"""Distance of each half from the old center, in old standard deviations."""
SPLIT_OPACITY = 0.8
"""Opacity of each half relative to the old one."""


def clone(cloud: GaussianCloud) -> GaussianCloud:
    """One of two equal Gaussians that together look as each Gaussian of `cloud` did; both have its center.

    The opacity 1 - sqrt(1 - o) gives the pair the old opacity in the middle. Over the image, the pair's alpha
    1 - (1 - o' G)^2 of a Gaussian footprint G then integrates to 2 o' - o'^2 / 2 times the integral of G, more than
    the old o; the scales shrink by the root of the ratio. (MCMC splatting, arXiv:2404.09591, eq. 9, does the same
    along a line instead of over an area.)
    """
    log_root = 0.5 * torch.nn.functional.logsigmoid(-cloud.opacity_logits)  # log sqrt(1 - o)
    halved = -torch.expm1(log_root)  # o'
    area = cloud.opacities / (2 * halved - 0.5 * halved**2)
    return GaussianCloud(
        means=cloud.means,
        log_scales=cloud.log_scales + 0.5 * area.log()[:, None],
        quats=cloud.quats,
        opacity_logits=halved.log() - log_root,
        sh0=cloud.sh0,
        shN=cloud.shN,
    )


def split(cloud: GaussianCloud, generator: torch.Generator) -> GaussianCloud:
    """Two halves of each Gaussian, side by side along one of its axes: first all the one halves, then all the others.

    The axis is drawn with a probability proportional to its variance: nearly always the longest, and any of those of a
    round Gaussian, which would otherwise all split in one direction.
    """
    # Shares, because multinomial needs a positive sum also for very small Gaussians, whose variances underflow.
    shares = torch.softmax(2 * cloud.log_scales, dim=-1).to(generator.device)
    axes = torch.multinomial(shares, 1, generator=generator)[:, 0].to(cloud.means.device)  # [N]
    rows = torch.arange(len(cloud), device=axes.device)
    directions = quat_to_matrix(cloud.quats)[rows, :, axes]  # [N, 3]
    offsets = SPLIT_OFFSET * cloud.scales[rows, axes, None] * directions
    log_scales = cloud.log_scales - math.log(SPLIT_SHRINK_ACROSS)
    log_scales[rows, axes] = cloud.log_scales[rows, axes] - math.log(SPLIT_SHRINK)
    opacities = SPLIT_OPACITY * cloud.opacities
    halves = {**cloud.tensors(), "log_scales": log_scales, "opacity_logits": torch.logit(opacities)}
    both = {name: torch.cat([tensor, tensor]) for name, tensor in halves.items()}
    both["means"] = torch.cat([cloud.means - offsets, cloud.means + offsets])
    return GaussianCloud(**both)


def faded(opacity_logits: Float[Tensor, "N"], max_opacity: float) -> Float[Tensor, "N"]:
    """Opacity logits of at most this opacity: the opacity reset of 3DGS, after which only what is needed comes back."""
    return opacity_logits.clamp_max(math.log(max_opacity / (1 - max_opacity)))
