import pytest
import torch
from splatdream.gaussians.spherical_harmonics import (
    C0,
    evaluate_sh,
    num_coefficients,
    rgb_to_sh0,
    sh0_to_rgb,
    sh_basis,
)


def unit_directions(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    directions = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(directions, dim=-1)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics_agree_with_gsplat(degree):
    gsplat_torch = pytest.importorskip("gsplat.cuda._torch_impl")
    generator = torch.Generator().manual_seed(degree)
    directions = 2.7 * unit_directions(50)
    sh = torch.randn(50, 16, 3, generator=generator, dtype=torch.float64)
    expected = gsplat_torch._spherical_harmonics(degree, directions, sh)
    torch.testing.assert_close(evaluate_sh(degree, sh, directions), expected, rtol=1e-7, atol=1e-7)


def test_basis_is_orthonormal_on_the_sphere():
    # Gauss-Legendre in z and equal steps in azimuth integrate polynomials of this degree exactly.
    import numpy as np

    z, z_weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(8))
    azimuth = torch.arange(16, dtype=torch.float64) * (2 * torch.pi / 16)
    radius = (1 - z**2).sqrt()[:, None]
    directions = torch.stack(
        [radius * azimuth.cos(), radius * azimuth.sin(), z[:, None].expand(-1, 16)], dim=-1
    ).reshape(-1, 3)
    weights = (z_weights[:, None] * (2 * torch.pi / 16)).expand(-1, 16).reshape(-1)
    basis = sh_basis(3, directions)
    gram = torch.einsum("n,ni,nj->ij", weights, basis, basis)
    torch.testing.assert_close(gram, torch.eye(16, dtype=torch.float64))


def test_degree_zero_is_the_same_color_from_everywhere():
    rgb = torch.tensor([[0.1, 0.5, 0.9]], dtype=torch.float64)
    sh = rgb_to_sh0(rgb)[:, None].expand(20, 1, 3)
    torch.testing.assert_close(0.5 + evaluate_sh(0, sh, unit_directions(20)), rgb.expand(20, 3))
    torch.testing.assert_close(sh0_to_rgb(rgb_to_sh0(rgb)), rgb)
    assert pytest.approx(0.5 / torch.pi**0.5) == C0


def test_coefficients_above_the_active_degree_do_not_count():
    sh = torch.ones(4, 16, 3, dtype=torch.float64)
    changed = sh.clone()
    changed[:, 4:] = 100
    directions = unit_directions(4)
    torch.testing.assert_close(evaluate_sh(1, sh, directions), evaluate_sh(1, changed, directions))


@pytest.mark.parametrize("degree", [-1, 4])
def test_unknown_degree_is_an_error(degree):
    with pytest.raises(ValueError, match="use 0 to 3"):
        num_coefficients(degree)


def test_too_few_coefficients_is_an_error():
    with pytest.raises(ValueError, match="needs 9 coefficients"):
        evaluate_sh(2, torch.zeros(1, 4, 3), torch.ones(1, 3))
