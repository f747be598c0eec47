"""Gaussians for a page in a browser.

It draws with the projection and compositing of our rasterizers (web/splat.vert, web/splat.frag). Its rows, of 32 bytes
and 16 more for every four spherical-harmonics coefficients above degree 0, go to the graphics card as they are.

N Gaussians.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..gaussians.cloud import GaussianCloud
from ..gaussians.rotations import quat_to_matrix
from ..gaussians.spherical_harmonics import sh0_to_rgb
from .model_page import PageModel

_ALPHA_THRESHOLD = 1 / 255
_SH_STEPS = 511


def gaussian_model(cloud: GaussianCloud) -> PageModel:
    """The cloud for a page; Gaussians that are too faint to be seen are left out.

    Raises:
        ValueError: a value of the cloud is NaN or infinite.
    """
    rows, sh_scale = _packed_rows(cloud)
    return PageModel(
        kind="gaussians",
        label="Gaussians",
        facts=f"{len(cloud):,} Gaussians",
        data={"rows": rows.tobytes()},
        bounds=_bounds(cloud),
        settings={
            "rows": len(rows),
            "row_bytes": rows.shape[1],
            "sh_degree": cloud.sh_degree,
            "sh_scale": sh_scale,
        },
    )


def _bounds(cloud: GaussianCloud) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Of the centers, without the outermost hundredth on each side: floaters do not count."""
    if len(cloud) == 0:
        return (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)
    ordered = cloud.means.detach().sort(dim=0).values
    cut = len(cloud) // 100
    return tuple(ordered[cut].tolist()), tuple(ordered[-1 - cut].tolist())


def _packed_rows(cloud: GaussianCloud) -> tuple[np.ndarray, float]:
    """Bytes [visible N, row bytes], little endian, and the factor of the coefficients above degree 0.

    mean 3 x float32 | factor of the covariance 6 x float16 | color of degree 0 3 x float16 | opacity float16 |
    coefficients as 3 x 10 signed bits in a word, padded to 16 bytes
    """
    cloud = cloud.detach().to("cpu")
    broken = sum(int((~torch.isfinite(tensor)).sum()) for tensor in cloud.tensors().values())
    if broken:
        raise ValueError(f"the cloud holds {broken} values that are not finite; remove those Gaussians first")
    visible = cloud.opacities >= _ALPHA_THRESHOLD
    count = int(visible.sum())
    fixed = np.zeros(
        count,
        dtype=[("mean", "<f4", 3), ("factor", "<f2", 6), ("color", "<f2", 3), ("opacity", "<f2")],
    )
    fixed["mean"] = cloud.means[visible].numpy()
    factor = _covariance_factor(cloud.scales[visible].double(), cloud.quats[visible].double())
    lower = torch.tril_indices(3, 3)
    fixed["factor"] = factor[:, lower[0], lower[1]].numpy()
    fixed["color"] = sh0_to_rgb(cloud.sh0[visible, 0]).numpy()
    fixed["opacity"] = cloud.opacities[visible].numpy()

    shN = cloud.shN[visible].double().numpy()
    sh_scale = float(np.abs(shN).max(initial=0.0)) or 1.0
    steps = np.round(shN / sh_scale * _SH_STEPS).astype(np.int64) & 0x3FF
    words = steps[..., 0] | steps[..., 1] << 10 | steps[..., 2] << 20
    padding = -words.shape[1] % 4
    words = np.pad(words, ((0, 0), (0, padding))).astype("<u4")
    return np.concatenate([fixed.view(np.uint8).reshape(count, 32), words.view(np.uint8)], axis=1), sh_scale


def _covariance_factor(scales: Float[Tensor, "N 3"], quats: Float[Tensor, "N 4"]) -> Float[Tensor, "N 3 3"]:
    """Lower triangular L with L L^T = R S S R^T; by QR, because Cholesky fails where a Gaussian is flat."""
    transposed = scales[:, :, None] * quat_to_matrix(quats).mT
    return torch.linalg.qr(transposed, mode="r").R.mT
