"""The clouds that scenes are made of: files of all kinds, earlier runs, objects of the toybox."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.evaluation import turntable_cameras
from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import with_sh_degree
from ..gaussians.initialization import from_points
from ..gaussians.spherical_harmonics import MAX_DEGREE, num_coefficients
from ..initializations.registry import INITIALIZATIONS, Beginning, initial_cloud
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace, trace_surface
from ..toybox.scene import Scene

TOYBOX = "toybox:"
_NUM_POINTS = 4000
"""Drawn from a surface that brings no Gaussians."""
_OPACITY = 0.9
_SUFFIXES = tuple(name for name in INITIALIZATIONS if name.startswith("."))


def check_source(source: str) -> None:
    """
    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: a caption that the toybox cannot read, or a file of no kind that is read.
    """
    if source.startswith(TOYBOX):
        build_scene(source.removeprefix(TOYBOX))
    elif not Path(source).exists():
        raise FileNotFoundError(f"there is no file or folder '{source}'; a part is one, or {TOYBOX}CAPTION")
    elif Path(source).is_file() and Path(source).suffix.lower() not in _SUFFIXES:
        raise ValueError(f"'{source}' is of no kind that is read; known are {', '.join(_SUFFIXES)} and folders of runs")


def read_source(source: str) -> GaussianCloud:
    """The cloud of a file or of an earlier run, or an object of the toybox.

    Raises:
        FileNotFoundError, ValueError: as `check_source`, or what the file holds cannot be read.
    """
    check_source(source)
    if source.startswith(TOYBOX):
        return surface_cloud(source.removeprefix(TOYBOX))
    beginning = Beginning(source, num_points=_NUM_POINTS, opacity=_OPACITY, sh_degree=MAX_DEGREE)
    return _without_empty_degrees(initial_cloud(beginning))


def surface_cloud(caption: str, num_views: int = 10, size: int = 32) -> GaussianCloud:
    """A toybox object as Gaussians on its surface, without any optimization: what views of it hit, with its colors."""
    scene = build_scene(caption)
    rings = [turntable_cameras(num_views, elevation, 2.5, 49.1, size, size) for elevation in (-40.0, 5.0, 50.0)]
    points, colors = zip(*(_surface_points(scene, cameras) for cameras in rings), strict=True)
    return from_points(torch.cat(points), torch.cat(colors), opacity=_OPACITY)


def _surface_points(scene: Scene, cameras: CameraBatch) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
    depths, _ = trace_surface(scene, cameras)
    rgba = trace(scene, cameras, supersampling=1)
    is_hit = depths > 0
    directions = cameras.ray_directions
    forward = -cameras.c2w[:, :3, 2]
    # Depths are measured along the camera's axis.
    distances = depths / torch.einsum("bhwi,bi->bhw", directions, forward)
    points = cameras.positions[:, None, None] + distances[..., None] * directions
    return points[is_hit], rgba[is_hit][:, :3]


def _without_empty_degrees(cloud: GaussianCloud) -> GaussianCloud:
    """Of the highest degree that says anything."""
    degree = next((n for n in range(MAX_DEGREE, 0, -1) if cloud.shN[:, num_coefficients(n - 1) - 1 :].any()), 0)
    return with_sh_degree(cloud, degree)
