"""Spherical harmonics of a rotated Gaussian: its colors turn with it.

N Gaussians, K = (degree + 1)^2 coefficients a channel.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .spherical_harmonics import sh_basis

NUM_DIRECTIONS = 64


def rotate_sh(shN: Float[Tensor, "N K_minus_1 3"], rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "N K_minus_1 3"]:
    """Coefficients above degree 0 whose color at `rotation @ d` is the old color at d, for every direction d.

    Harmonics of one degree rotate among themselves. Their matrix is read off the values at a few directions, so that it
    follows whatever signs and order the basis has.
    """
    degree = round((1 + shN.shape[1]) ** 0.5) - 1
    blocks = []
    for band in range(1, degree + 1):
        matrix = _band_rotation(band, rotation).to(shN)
        blocks.append(torch.einsum("ij,njc->nic", matrix, shN[:, band**2 - 1 : (band + 1) ** 2 - 1]))
    return torch.cat(blocks, dim=1) if blocks else shN


def _band_rotation(band: int, rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "band_size band_size"]:
    """The matrix that takes the 2 * band + 1 coefficients of one degree to those of the rotated function."""
    directions = _even_directions(NUM_DIRECTIONS).to(rotation.device)
    back = directions @ rotation.detach().to(directions.dtype)  # rows: rotation^T @ d
    # Y(d) c' = Y(rotation^T d) c for all d.
    return torch.linalg.lstsq(sh_basis(band, directions)[:, band**2 :], sh_basis(band, back)[:, band**2 :]).solution


def _even_directions(count: int) -> Float[Tensor, "D 3"]:
    """Directions spread evenly over the sphere (a Fibonacci spiral), in double precision."""
    index = torch.arange(count, dtype=torch.float64)
    z = 1 - (2 * index + 1) / count
    angle = index * math.pi * (3 - math.sqrt(5))
    ring = (1 - z * z).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=1)
