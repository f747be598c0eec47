"""Points on what Shap-E draws: its signed distance on a grid, marching cubes, colors at the points."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ..meshing.comparison import sample_surface
from ..meshing.density_grid import Grid
from ..meshing.marching_cubes import isosurface
from ..priors.shap_e import HALF_SIDE, ShapEConfig, sample_shap_e
from .surface import SurfacePoints

ImplicitObject = Callable[[Float[Tensor, "P 3"]], tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]]
"""Places to signed distances, positive inside, and colors in [0, 1]."""


def from_shap_e(config: ShapEConfig, prompt: str, seed: int, num_points: int) -> SurfacePoints:
    """Points drawn evenly from the surface of the object of a prompt, in Shap-E's axes.

    Raises:
        FileNotFoundError, ImportError, ValueError: as `sample_shap_e`, or the object has no surface.
    """
    drawn = sample_shap_e(config, prompt, seed)
    return points_on_object(drawn, config.resolution, num_points, torch.Generator().manual_seed(seed))


def points_on_object(
    drawn: ImplicitObject, resolution: int, num_points: int, generator: torch.Generator
) -> SurfacePoints:
    """Points on the zero set of the signed distance, on a grid of resolution^3.

    Raises:
        ValueError: the signed distance has no zero set on the grid.
    """
    step = 2 * HALF_SIDE / (resolution - 1)
    # One more layer on every side lies outside, which closes what touches the cube.
    grid = Grid((-HALF_SIDE - step,) * 3, step, (resolution + 2,) * 3)
    levels = torch.full(grid.shape, -1.0)
    levels[1:-1, 1:-1, 1:-1] = drawn(_inner_points(resolution))[0].reshape((resolution,) * 3)
    if not levels.max() > 0:
        raise ValueError(
            "Shap-E drew an object without a surface for this prompt and seed; take another seed or another prompt"
        )
    # Surfaces are interpolated in the logarithm: of exp(distance), that is the distance itself.
    mesh = isosurface([(0, levels.exp())], grid, threshold=math.exp(0.0))
    samples = sample_surface(mesh, num_points, generator)
    return SurfacePoints(samples.points, drawn(samples.points)[1], samples.normals)


def _inner_points(resolution: int) -> Float[Tensor, "P 3"]:
    return torch.cartesian_prod(*[torch.linspace(-HALF_SIDE, HALF_SIDE, resolution)] * 3)
