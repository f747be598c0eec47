"""Real spherical harmonics of degree 0 to 3, the way 3D Gaussians store color that depends on the viewing direction.

Basis, order and signs are those of 3DGS (arXiv:2308.04079) and gsplat: coefficient k = l^2 + l + m for degree l and
order m in -l..l, with the Condon-Shortley phase. N Gaussians or directions, K = (degree + 1)^2 coefficients a channel.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MAX_DEGREE = 3

C0 = 0.28209479177387814  # 1 / (2 sqrt(pi))
_C1 = 0.4886025119029199  # sqrt(3 / (4 pi))
_C2_XY = 1.0925484305920792  # sqrt(15 / (4 pi)); also yz and xz
_C2_ZZ = 0.31539156525252005  # sqrt(5 / (16 pi))
_C2_XX_YY = 0.5462742152960396  # sqrt(15 / (16 pi))
_C3_3 = 0.5900435899266435  # sqrt(35 / (32 pi)); orders -3 and 3
_C3_XYZ = 2.890611442640554  # sqrt(105 / (4 pi)); order -2
_C3_1 = 0.4570457994644658  # sqrt(21 / (32 pi)); orders -1 and 1
_C3_0 = 0.3731763325901154  # sqrt(7 / (16 pi)); order 0
_C3_2 = 1.445305721320277  # sqrt(105 / (16 pi)); order 2


def num_coefficients(degree: int) -> int:
    """K, the coefficients a channel up to and including `degree`.

    Raises:
        ValueError: the degree is not 0, 1, 2 or 3.
    """
    if not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"spherical-harmonics degree {degree} is not supported; use 0 to {MAX_DEGREE}")
    return (degree + 1) ** 2


def sh_basis(degree: int, directions: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch K"]:
    """Values of the K basis functions for unit directions.

    Raises:
        ValueError: the degree is not 0, 1, 2 or 3.
    """
    num_coefficients(degree)
    x, y, z = directions.unbind(-1)
    basis = [torch.full_like(x, C0)]
    if degree >= 1:
        basis += [-_C1 * y, _C1 * z, -_C1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        basis += [
            _C2_XY * x * y,
            -_C2_XY * y * z,
            _C2_ZZ * (3 * zz - 1),
            -_C2_XY * x * z,
            _C2_XX_YY * (xx - yy),
        ]
    if degree >= 3:
        basis += [
            -_C3_3 * y * (3 * xx - yy),
            _C3_XYZ * x * y * z,
            -_C3_1 * y * (5 * zz - 1),
            _C3_0 * z * (5 * zz - 3),
            -_C3_1 * x * (5 * zz - 1),
            _C3_2 * z * (xx - yy),
            -_C3_3 * x * (xx - 3 * yy),
        ]
    return torch.stack(basis, dim=-1)


def evaluate_sh(
    degree: int, sh: Float[Tensor, "*#batch K_stored 3"], directions: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Sum of coefficients times basis, one value a channel; a color is this plus 0.5, not below zero.

    Args:
        degree: the active degree; coefficients above it are ignored.
        sh: at least (degree + 1)^2 coefficients a channel.
        directions: from the camera to the Gaussian, any length but zero.

    Raises:
        ValueError: fewer coefficients are stored than the degree needs.
    """
    active = num_coefficients(degree)
    if sh.shape[-2] < active:
        raise ValueError(f"degree {degree} needs {active} coefficients a channel, got {sh.shape[-2]}")
    basis = sh_basis(degree, torch.nn.functional.normalize(directions, dim=-1))
    return (basis[..., None] * sh[..., :active, :]).sum(dim=-2)


def rgb_to_sh0(rgb: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """The degree-0 coefficients that give this color from every direction."""
    return (rgb - 0.5) / C0


def sh0_to_rgb(sh0: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """The color of degree-0 coefficients, not clamped."""
    return 0.5 + C0 * sh0


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
