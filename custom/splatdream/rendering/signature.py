"""What every rasterizer here shares: the arguments and constants of gsplat's rasterization, and the checks.

N Gaussians, C cameras, K spherical-harmonics coefficients a channel.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..gaussians.spherical_harmonics import evaluate_sh, num_coefficients

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
RASTERIZE_MODES = ("classic", "antialiased")


def screen_variance(rasterize_mode: str) -> float:
    """What our renders take as `eps2d`, pixels squared: 3DGS's, or that of Mip-Splatting's 2D filter."""
    return 0.1 if rasterize_mode == "antialiased" else 0.3


@dataclass(frozen=True, eq=False)
class Arguments:
    """The arguments of every rasterizer: those of `gsplat.rasterization`, with its order and defaults.

    After a backward pass `info["means2d"].contributions` [C,N] holds the sum over pixels of each Gaussian's blending
    weight (not from gsplat where no colors are drawn).

    Raises:
        ValueError: they do not fit each other; the message names the argument, what it is and what it should be.
    """

    means: Float[Tensor, "N 3"]
    quats: Float[Tensor, "N 4"]
    """wxyz, any norm."""
    scales: Float[Tensor, "N 3"]
    opacities: Float[Tensor, "N"]
    colors: Float[Tensor, "N 3"] | Float[Tensor, "C N 3"] | Float[Tensor, "N K 3"]
    """RGB, or spherical-harmonics coefficients when sh_degree is given."""
    viewmats: Float[Tensor, "C 4 4"]
    """World-to-camera, OpenCV axes."""
    Ks: Float[Tensor, "C 3 3"]
    """Intrinsics in pixels; the center of the top left pixel is (0.5, 0.5)."""
    width: int
    height: int
    near_plane: float = 0.01
    far_plane: float = 1e10
    radius_clip: float = 0.0
    """Gaussians whose radius on the screen is at most this, in pixels, are left out."""
    eps2d: float = 0.3
    """Added to the variances on the screen, pixels^2: no Gaussian is thinner than a pixel."""
    sh_degree: int | None = None
    """The active degree of the coefficients in `colors`."""
    backgrounds: Float[Tensor, "C 3"] | None = None
    render_mode: str = "RGB"
    """RGB, D (accumulated depth), ED (expected depth = D / alpha), RGB+D, RGB+ED; depth comes last."""
    absgrad: bool = False
    """The backward pass leaves the sum over pixels of |gradient| in `info["means2d"].absgrad`."""
    rasterize_mode: str = "classic"
    """"antialiased" keeps the light of a Gaussian that eps2d makes larger: its opacity is multiplied by the square root
    of the determinants' ratio, before eps2d over after (Mip-Splatting sec. 5.2, arXiv:2311.16493)."""

    def __post_init__(self) -> None:
        N, C = len(self.means), len(self.viewmats)
        expected = {"means": (N, 3), "quats": (N, 4), "scales": (N, 3), "opacities": (N,)}
        expected |= {"viewmats": (C, 4, 4), "Ks": (C, 3, 3), "backgrounds": (C, 3)}
        for name, tensor in self.tensors().items():
            if tensor.shape != expected.get(name, tensor.shape):
                raise ValueError(f"{name} has the shape {list(tensor.shape)}, expected {list(expected[name])}")
        self._check_colors()
        for name, modes in (("render_mode", RENDER_MODES), ("rasterize_mode", RASTERIZE_MODES)):
            if getattr(self, name) not in modes:
                raise ValueError(f"{name} {getattr(self, name)!r} is not one of {', '.join(modes)}")
        if C < 1 or self.width < 1 or self.height < 1:
            raise ValueError(f"nothing to render: {C} cameras of {self.width} x {self.height} pixels")

    def _check_colors(self) -> None:
        N, C, shape = len(self.means), len(self.viewmats), self.colors.shape
        if self.sh_degree is None:
            fits = shape in ((N, 3), (C, N, 3))
            expected = f"[{N}, 3] or [{C}, {N}, 3]; pass sh_degree for spherical harmonics"
        else:
            K = num_coefficients(self.sh_degree)
            fits = len(shape) == 3 and shape[0] == N and shape[1] >= K and shape[2] == 3
            expected = f"[{N}, {K} or more, 3] for sh_degree {self.sh_degree}"
        if not fits:
            raise ValueError(f"colors has the shape {list(shape)}, expected {expected}")

    def tensors(self) -> dict[str, Tensor]:
        """Those of the arguments that are tensors, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    @property
    def is_antialiased(self) -> bool:
        return self.rasterize_mode == "antialiased"

    @property
    def contents(self) -> tuple[bool, bool, bool]:
        """Of the images: whether there are colors, a depth, and whether the depth is divided by alpha."""
        return self.render_mode.startswith("RGB"), "D" in self.render_mode, self.render_mode.endswith("ED")

    def rgb(self, viewmats: Float[Tensor, "C 4 4"]) -> Float[Tensor, "N 3"] | Float[Tensor, "C N 3"]:
        """The colors as these cameras see them: spherical harmonics evaluated, negative values cut off."""
        if self.sh_degree is None:
            return self.colors
        positions = torch.linalg.inv_ex(viewmats).inverse[:, None, :3, 3]
        directions = self.means - positions
        return (evaluate_sh(self.sh_degree, self.colors[None], directions) + 0.5).clamp(min=0)

    def info(self, **by_camera: Tensor) -> dict:
        """The third result of a rasterizer: what each camera sees of each Gaussian, and the sizes."""
        sizes = {"width": self.width, "height": self.height, "n_cameras": len(self.viewmats)}
        return {**by_camera, **sizes, "gaussian_ids": None}
