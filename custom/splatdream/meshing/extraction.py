"""The whole way from a cloud to a mesh that can be unwrapped."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..gaussians.cloud import GaussianCloud
from .cavities import fillable, filled_slabs
from .checks import MeshReport, check_report
from .connectivity import fill_holes, outer_components, without_touching
from .decimation import decimate
from .density_grid import joined, solid_part
from .density_source import CloudDensity, DensitySource
from .marching_cubes import isosurface
from .mesh import Mesh, check_mesh
from .smoothing import taubin_smooth

_HOLLOW_RESOLUTION = 128
# Of the density inside of a hollow to the surface's: enough to be inside, and no jump for the interpolation.
_FILL_RATIO = 2.0


@dataclass(frozen=True)
class ExtractionOptions:
    resolution: int = 128
    """Grid points along the longest side of the object."""
    threshold: float | None = None
    """Density of the surface; none chooses the one whose silhouettes match the cloud's."""
    smoothing_iterations: int = 5
    """Pairs of Taubin steps before decimation."""
    target_faces: int = 20_000
    """Faces after decimation; 0 leaves all that marching cubes made."""
    fill_hollows: bool = True
    """Leave no inner wall where the cloud is a hollow shell."""
    min_volume_share: float = 0.01
    """Pieces smaller than this share of the largest one's volume are dropped."""


@dataclass(frozen=True)
class Extraction:
    mesh: Mesh
    threshold: float
    """Density of the surface, chosen or given."""
    report: MeshReport
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of each part."""


def extract_mesh(cloud: GaussianCloud, options: ExtractionOptions = ExtractionOptions()) -> Extraction:
    """The surface of a cloud: closed, outward, in pieces no smaller than asked for.

    Raises:
        ValueError: the cloud is empty, too faint or not finite, or its density never reaches the threshold.
    """
    return extract_surface(CloudDensity(solid_part(cloud)), options)


def extract_surface(source: DensitySource, options: ExtractionOptions = ExtractionOptions()) -> Extraction:
    """The surface of any density, likewise.

    Raises:
        ValueError: there is nothing, or the density never reaches the threshold.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "threshold"):
        threshold = source.level() if options.threshold is None else options.threshold
    with timed(seconds, "surface"):
        mesh = _surface(source, threshold, options)
    with timed(seconds, "clean_up"):
        mesh = cleaned(mesh, options)
        check_mesh(mesh, "the mesh after clean-up")
    with timed(seconds, "checks"):
        report = check_report(mesh)
    return Extraction(mesh, threshold, report, seconds)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Keeps the wall time of the block by its name."""
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def _surface(source: DensitySource, threshold: float, options: ExtractionOptions) -> Mesh:
    grid = source.grid(options.resolution)
    slabs = source.slabs(grid)
    if options.fill_hollows:
        coarse = source.grid(min(options.resolution, _HOLLOW_RESOLUTION))
        mask = fillable(joined(source.slabs(coarse)) > threshold)
        slabs = filled_slabs(slabs, grid, mask, coarse, _FILL_RATIO * threshold)
    return isosurface(slabs, grid, threshold)


def cleaned(mesh: Mesh, options: ExtractionOptions) -> Mesh:
    """Components, smoothing, decimation, and what decimation tore is closed again."""
    mesh = outer_components(mesh, options.min_volume_share)
    if options.smoothing_iterations > 0:
        mesh = taubin_smooth(mesh, options.smoothing_iterations)
    if options.target_faces > 0:
        # Decimation may pinch the surface: parted first, what is open then is closed.
        mesh = fill_holes(without_touching(decimate(mesh, options.target_faces)))
        mesh = outer_components(mesh, options.min_volume_share)
    return mesh
