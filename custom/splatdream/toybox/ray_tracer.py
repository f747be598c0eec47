"""Scenes to RGBA images: the nearest hit of every ray, diffuse light fixed to the world, several rays a pixel.

The rays are followed by compiled kernels (`rendering/numba_solids.py`) on the CPU, wherever the cameras are: a step's
views take a millisecond or two. The same bits whatever the number of threads. B cameras.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..rendering import numba_solids
from ..rendering.compilation import prepare_kernels
from ..rendering.threads import run_in_ranges
from .scene import Scene

LIGHT_DIRECTION = (0.60, 0.36, 0.71)
"""Toward the light, in the world: from the front, above, and the object's left."""
AMBIENT = 0.5
"""Share of its color that a surface keeps when it faces away from the light."""

_MIN_RAYS = 8192  # fewer are done before another thread has woken up


def trace(scene: Scene, cameras: CameraBatch, supersampling: int = 2) -> Float[Tensor, "B height width 4"]:
    """Images of the scene: red, green, blue PREMULTIPLIED by alpha, and alpha, all in [0, 1].

    `rgb + (1 - alpha) * background` (`composite`) is exactly the image in front of a plain background, since every ray
    either hits or misses. Each pixel averages a regular grid of supersampling x supersampling rays.
    """
    if supersampling < 1:
        raise ValueError(f"supersampling must be at least 1, got {supersampling}")
    rgba = torch.empty(len(cameras), cameras.height, cameras.width, 4)
    _fill(scene, cameras, supersampling, rgba, torch.empty(0, 1, 1), torch.empty(0, 1, 1, 3))
    return rgba.to(cameras.c2w.device)


def trace_surface(
    scene: Scene, cameras: CameraBatch
) -> tuple[Float[Tensor, "B height width"], Float[Tensor, "B height width 3"]]:
    """Depth along the camera's axis and unit world normals at the pixel centers; 0 where the ray misses."""
    depths = torch.empty(len(cameras), cameras.height, cameras.width)
    normals = torch.empty(*depths.shape, 3)
    _fill(scene, cameras, 1, torch.empty(*depths.shape, 4), depths, normals)
    return depths.to(cameras.c2w.device), normals.to(cameras.c2w.device)


def composite(
    rgba: Float[Tensor, "B height width 4"], background: Float[Tensor, "B 3"]
) -> Float[Tensor, "B height width 3"]:
    """Premultiplied images in front of one color each."""
    return rgba[..., :3] + (1 - rgba[..., 3:]) * background[:, None, None, :]


def _fill(
    scene: Scene,
    cameras: CameraBatch,
    rays: int,
    rgba: Float[Tensor, "B height width 4"],
    depths: Float[Tensor, "V ..."],
    normals: Float[Tensor, "V ... 3"],
) -> None:
    """Traces `rays` x `rays` rays a pixel; depths and normals of the last one, unless they are empty."""
    prepare_kernels()
    fine = cameras.to("cpu").resized(cameras.width * rays, cameras.height * rays)
    c2w, Ks = (np.ascontiguousarray(matrices.double().numpy()) for matrices in (fine.c2w, fine.Ks))
    kinds, solids = scene.kinds.numpy(), scene.table
    placed = np.empty((len(fine), len(scene), numba_solids.PLACED_SIZE))
    windows = np.empty((len(fine), len(scene), 4), np.int64)
    numba_solids.place_solids(kinds, solids, c2w, Ks, fine.width, fine.height, placed, windows)
    light = np.array(LIGHT_DIRECTION) / np.linalg.norm(LIGHT_DIRECTION)
    images = [tensor.numpy() for tensor in (rgba, depths, normals)]

    def work(first: int, last: int) -> None:
        numba_solids.trace_bands(first, last, kinds, solids, placed, windows, Ks, rays, light, AMBIENT, *images)

    rays_of_band = numba_solids.BAND * rays * fine.width
    run_in_ranges(work, len(fine) * numba_solids.num_bands(cameras.height), -(-_MIN_RAYS // rays_of_band))
