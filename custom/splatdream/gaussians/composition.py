"""Scenes from parts: concatenate clouds, move one, choose rows. All of it is tensor operations, and gradients pass.

N Gaussians, K = (degree + 1)^2 spherical-harmonics coefficients a channel.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .cloud import GaussianCloud
from .rotations import matrix_to_quat, quat_multiply
from .spherical_harmonics import num_coefficients, rotate_sh


def cat(clouds: Sequence[GaussianCloud]) -> GaussianCloud:
    """All rows in one cloud, in the given order, with the highest SH degree among them (missing coefficients are zero).

    Raises:
        ValueError: no clouds.
    """
    if not clouds:
        raise ValueError("cat needs at least one cloud")
    degree = max(cloud.sh_degree for cloud in clouds)
    parts = [with_sh_degree(cloud, degree).tensors() for cloud in clouds]
    return GaussianCloud(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def select(cloud: GaussianCloud, rows: Bool[Tensor, "N"] | Int[Tensor, "M"]) -> GaussianCloud:
    """The rows where the mask is true, or the rows of these indices in their order."""
    return GaussianCloud(**{name: tensor[rows] for name, tensor in cloud.tensors().items()})


def with_sh_degree(cloud: GaussianCloud, degree: int) -> GaussianCloud:
    """The same cloud with coefficients up to `degree`: new ones are zero, higher ones are dropped."""
    wanted = num_coefficients(degree) - 1
    shN = cloud.shN[:, :wanted]
    missing = shN.new_zeros(len(cloud), wanted - shN.shape[1], 3)
    return GaussianCloud(**{**cloud.tensors(), "shN": torch.cat([shN, missing], dim=1)})


def transform(
    cloud: GaussianCloud,
    rotation: Float[Tensor, "3 3"] | None = None,
    translation: Float[Tensor, "3"] | None = None,
    scale: float = 1.0,
) -> GaussianCloud:
    """Scale about the origin, then rotate, then translate: x -> scale * rotation @ x + translation.

    The orientations and the view-dependent colors turn with the cloud.

    Args:
        rotation: orthogonal with determinant +1; None is no rotation.
        translation: world units.

    Raises:
        ValueError: a scale that is not above 0, a matrix that is not a rotation (a mirror image has no quaternion), or
            a cloud that its numbers cannot hold any more.
    """
    if not scale > 0:
        raise ValueError(f"scale must be above 0, got {scale}")
    means, quats, shN = scale * cloud.means, cloud.quats, cloud.shN
    if rotation is not None:
        rotation = rotation.to(cloud.means)
        identity = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
        if not torch.allclose(rotation @ rotation.T, identity, atol=1e-4) or torch.linalg.det(rotation) < 0:
            raise ValueError(f"not a rotation matrix: {rotation.tolist()}; pass its scale as `scale`")
        means = means @ rotation.T
        quats = quat_multiply(matrix_to_quat(rotation).expand_as(quats), quats)
        shN = rotate_sh(shN, rotation)
    if translation is not None:
        means = means + translation.to(means)
    moved = GaussianCloud(means, cloud.log_scales + math.log(scale), quats, cloud.opacity_logits, cloud.sh0, shN)
    if not (torch.isfinite(moved.means).all() and torch.isfinite(moved.scales).all()):
        raise ValueError(f"scale {scale:g} or the translation moves Gaussians beyond what {means.dtype} holds")
    return moved
