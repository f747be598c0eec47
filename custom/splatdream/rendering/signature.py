"""What every rasterizer here shares: the constants of gsplat's rasterization and the check of its arguments.

N Gaussians, C cameras, K spherical-harmonics coefficients a channel.
"""

from torch import Tensor

from ..gaussians.spherical_harmonics import num_coefficients

ALPHA_THRESHOLD = 1 / 255
"""A Gaussian does not count at a pixel where its alpha is below this: it could not change an 8-bit image."""
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4
"""A ray stops before the Gaussian that would leave it this transmittance or less."""
MAX_EXTENT_SIGMAS = 3.33
"""Beyond this many standard deviations even an opaque Gaussian has an alpha below the threshold."""
FRUSTUM_MARGIN = 0.3
"""Share of the half image, beyond its border, where the Jacobian of the projection stops following the Gaussian."""
MIN_DETERMINANT = 1e-10
RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")


def check_arguments(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    sh_degree: int | None,
    backgrounds: Tensor | None,
    render_mode: str,
) -> None:
    """Does nothing when the arguments of a rasterizer fit each other.

    Raises:
        ValueError: they do not; the message names the argument, what it is and what it should be.
    """
    N, C = len(means), len(viewmats)
    expected = {
        "means": (means, (N, 3)),
        "quats": (quats, (N, 4)),
        "scales": (scales, (N, 3)),
        "opacities": (opacities, (N,)),
        "viewmats": (viewmats, (C, 4, 4)),
        "Ks": (Ks, (C, 3, 3)),
    }
    if backgrounds is not None:
        expected["backgrounds"] = (backgrounds, (C, 3))
    for name, (tensor, shape) in expected.items():
        if tensor.shape != shape:
            raise ValueError(f"{name} has the shape {list(tensor.shape)}, expected {list(shape)}")
    if sh_degree is None:
        if colors.shape not in ((N, 3), (C, N, 3)):
            raise ValueError(
                f"colors has the shape {list(colors.shape)}, expected [{N}, 3] or [{C}, {N}, 3]; "
                "pass sh_degree for spherical harmonics"
            )
    else:
        K = num_coefficients(sh_degree)
        if colors.ndim != 3 or len(colors) != N or colors.shape[1] < K or colors.shape[2] != 3:
            raise ValueError(
                f"colors has the shape {list(colors.shape)}, expected [{N}, {K} or more, 3] for sh_degree {sh_degree}"
            )
    if render_mode not in RENDER_MODES:
        raise ValueError(f"render_mode {render_mode!r} is not one of {', '.join(RENDER_MODES)}")
    if C < 1 or width < 1 or height < 1:
        raise ValueError(f"nothing to render: {C} cameras of {width} x {height} pixels")
