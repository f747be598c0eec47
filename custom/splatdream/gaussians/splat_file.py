"""The .splat file of web viewers: 32 bytes a Gaussian, no header, no higher harmonics.

Position and scale as three floats each, color and opacity as four bytes, rotation wxyz as four bytes around 128.
"""

import os
from pathlib import Path

import numpy as np
import torch

from ..storage.atomic_file import write_bytes
from ..storage.free_memory import require_free_memory
from .cloud import GaussianCloud
from .ply import MIN_LOG_SCALE
from .spherical_harmonics import rgb_to_sh0, sh0_to_rgb

ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
# Peak memory by file size, measured.
_MEMORY_GROWTH = 7


def write_splat(path: str | os.PathLike, cloud: GaussianCloud) -> Path:
    """The cloud with its colors of degree 0, the largest and most opaque first, for viewers that draw while loading."""
    cloud = cloud.detach().to("cpu")
    order = torch.argsort(cloud.log_scales.sum(dim=-1).exp() * cloud.opacities, descending=True, stable=True)
    rgba = torch.cat([sh0_to_rgb(cloud.sh0[:, 0]), cloud.opacities[:, None]], dim=1).clamp(0, 1)
    quats = torch.nn.functional.normalize(cloud.quats, dim=-1)
    rows = np.empty(len(cloud), ROW)
    rows["position"] = cloud.means[order].numpy()
    rows["scale"] = cloud.scales[order].numpy()
    rows["rgba"] = (255 * rgba[order]).round().numpy()
    rows["rotation"] = (128 + 128 * quats[order]).round().clamp(0, 255).numpy()
    return write_bytes(path, rows.tobytes())


def read_splat(path: str | os.PathLike) -> GaussianCloud:
    """A cloud of SH degree 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: its length is not a multiple of 32 bytes, it holds no Gaussians or values that are not finite, or it
            is too large for the memory.
    """
    path = Path(path)
    size = path.stat().st_size
    if size == 0 or size % ROW.itemsize:
        raise ValueError(f"{path} is not a .splat file: its {size} bytes are not a multiple of {ROW.itemsize}")
    what = f"{path} with {size // ROW.itemsize:,} Gaussians"
    require_free_memory(_MEMORY_GROWTH * size, what, "prune it in a splat editor first")
    rows = np.fromfile(path, ROW)
    if not (np.isfinite(rows["position"]).all() and np.isfinite(rows["scale"]).all() and (rows["scale"] >= 0).all()):
        raise ValueError(f"{path} has positions or scales that are not finite or scales below 0: it is broken")
    rgba = torch.from_numpy(rows["rgba"].astype(np.float32) / 255)
    quats = torch.from_numpy(rows["rotation"].astype(np.float32) - 128)
    if (quats == 0).all(dim=1).any():
        raise ValueError(f"{path} has rotations of length 0: it is broken")
    # The ends of the range would have infinite logits; they stand for what was rounded to them.
    opacities = rgba[:, 3].clamp(0.25 / 255, 1 - 0.25 / 255)
    return GaussianCloud(
        means=torch.from_numpy(rows["position"].astype(np.float32)),
        log_scales=torch.from_numpy(rows["scale"].astype(np.float32)).log().clamp_min(MIN_LOG_SCALE),
        quats=torch.nn.functional.normalize(quats, dim=-1),
        opacity_logits=torch.logit(opacities),
        sh0=rgb_to_sh0(rgba[:, :3])[:, None],
        shN=torch.zeros(len(rows), 0, 3),
    )
