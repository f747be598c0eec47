"""Where a cloud begins: the registry of initializations, by name, by the suffix of a file, or the folder of a run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import transform, with_sh_degree
from ..gaussians.initialization import ball, from_points
from ..gaussians.packed_files import PACKED_SUFFIXES, read_packed
from ..gaussians.splat_file import read_splat
from ..priors.shap_e import ShapEConfig
from ..texture.mesh_files import SUFFIXES
from .files import file_of_run, from_arrays, from_glb, from_mesh, from_ply
from .frames import Frame, find_frame
from .growth import GrowthConfig, grown
from .shap_e import from_shap_e
from .surface import SurfacePoints
from .toybox import from_toybox


@dataclass(frozen=True)
class Beginning:
    """What an initialization may know of the run; each reads what it needs."""

    source: str
    """What was asked for: a name, the path of a file, or the folder of an earlier run."""
    prompt: str = ""
    seed: int = 0
    num_points: int = 1000
    """Of what has no number of its own: a ball, a surface."""
    radius: float = 0.5
    """World units."""
    opacity: float = 0.1
    """In (0, 1)."""
    scale: float | None = None
    """Standard deviation, world units; None takes it from the distances to the nearest neighbors."""
    flatness: float = 1.0
    """Standard deviation along the normal over that across it, where points bring normals."""
    color: tuple[float, ...] = (0.5, 0.5, 0.5)
    """Red, green and blue in [0, 1], where points bring no color."""
    keeps_colors: bool = True
    """False gives points `color` even where they bring their own."""
    color_std: float = 0.0
    """Standard deviation of the color from point to point of a ball."""
    sh_degree: int = 0
    frame: str = ""
    """Name of the axes and the scale of what is read (frames.py); empty for those of its kind."""
    size: float | None = None
    """Longest side of the box about all centers, world units; None for what the frame makes of it."""
    growth: GrowthConfig = field(default_factory=GrowthConfig)
    shap_e: ShapEConfig = field(default_factory=ShapEConfig)

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True)
class Initialization:
    read: Callable[[Beginning], GaussianCloud | SurfacePoints]
    frame: str
    """In which axes it reads where no others are asked for. Empty: it is made in the world; none can be asked for."""


def _ball(beginning: Beginning) -> GaussianCloud:
    """Points drawn in a ball."""
    return ball(
        beginning.num_points,
        beginning.radius,
        beginning.generator(),
        beginning.color,
        beginning.color_std,
        beginning.opacity,
        beginning.scale,
        beginning.sh_degree,
    )


def _shap_e(beginning: Beginning) -> SurfacePoints:
    """Points on the surface that Shap-E makes of the prompt."""
    return from_shap_e(beginning.shap_e, beginning.prompt, beginning.seed, beginning.num_points)


def _toybox(beginning: Beginning) -> SurfacePoints:
    """Points on the true object of a toybox prompt."""
    return from_toybox(beginning.prompt, beginning.num_points, beginning.generator())


def _mesh(beginning: Beginning) -> SurfacePoints:
    """Points on the surface of a mesh file, with its colors and normals."""
    return from_mesh(Path(beginning.source), beginning.num_points, beginning.generator())


def _glb(beginning: Beginning) -> GaussianCloud | SurfacePoints:
    """Gaussians of a GLB file, or points on the surface that it holds."""
    return from_glb(Path(beginning.source), beginning.num_points, beginning.generator())


def _packed(beginning: Beginning) -> GaussianCloud:
    """Gaussians of an SPZ or SOG file."""
    return read_packed(beginning.source)


def _ply(beginning: Beginning) -> GaussianCloud | SurfacePoints:
    """Gaussians, or points, of a PLY file."""
    return from_ply(Path(beginning.source))


def _splat(beginning: Beginning) -> GaussianCloud:
    """Gaussians of a .splat file."""
    return read_splat(beginning.source)


def _arrays(beginning: Beginning) -> SurfacePoints:
    """Points of an array file, such as Point-E's."""
    return from_arrays(Path(beginning.source))


_ARRAYS = Initialization(_arrays, "splatdream")

INITIALIZATIONS: dict[str, Initialization] = {
    "ball": Initialization(_ball, ""),
    "shap-e": Initialization(_shap_e, "shap-e"),
    "toybox": Initialization(_toybox, "splatdream"),
    **dict.fromkeys(SUFFIXES, Initialization(_mesh, "gltf")),
    ".glb": Initialization(_glb, "gltf"),
    ".ply": Initialization(_ply, "splatdream"),
    **dict.fromkeys(PACKED_SUFFIXES, Initialization(_packed, "splatdream")),
    ".splat": Initialization(_splat, "splatdream"),
    ".npz": _ARRAYS,
    ".npy": _ARRAYS,
}
"""By name, or by suffix where `source` is a file. A new initialization is a file with one function, and a line here."""


def initial_cloud(beginning: Beginning) -> GaussianCloud:
    """The cloud at step 0.

    Raises:
        FileNotFoundError: there is no such file, folder or model.
        ImportError: a library that reads the file is missing.
        ValueError: neither a name nor a suffix is known, a file is broken, or a number is out of its range.
    """
    source = beginning.source
    if source not in INITIALIZATIONS and Path(source).is_dir():
        beginning = replace(beginning, source=str(file_of_run(Path(source))))
    chosen = _chosen(beginning.source)
    frame = _frame(chosen, beginning)
    found = chosen.read(beginning)
    if frame is not None:
        found = _placed(found, frame, beginning.size)
    if isinstance(found, SurfacePoints):
        return _cloud_of_points(found, beginning)
    if beginning.growth.candidates:
        raise ValueError(
            f"system.geometry.growth adds points to points, and {source} holds Gaussians; set its candidates to 0"
        )
    return with_sh_degree(found, beginning.sh_degree)


def _chosen(source: str) -> Initialization:
    chosen = INITIALIZATIONS.get(source) or INITIALIZATIONS.get(Path(source).suffix.lower())
    if chosen is None:
        raise ValueError(
            f"system.geometry.initialization '{source}' is unknown; choose one of {', '.join(INITIALIZATIONS)}, where "
            "a suffix stands for the path of such a file, or the folder of an earlier run"
        )
    if source not in INITIALIZATIONS and not Path(source).is_file():
        raise FileNotFoundError(f"there is no file '{source}' to start from; check the path of the initialization")
    return chosen


def _frame(chosen: Initialization, beginning: Beginning) -> Frame | None:
    """Of what is read; None where it is made in the world."""
    asked = find_frame(beginning.frame) if beginning.frame else None
    if chosen.frame:
        return asked or find_frame(chosen.frame)
    if asked is not None or beginning.size is not None:
        raise ValueError(
            f"system.geometry.initialization '{beginning.source}' is made where it belongs; leave out "
            "initialization_frame and initialization_size"
        )
    return None


def _placed(found: GaussianCloud | SurfacePoints, frame: Frame, size: float | None) -> GaussianCloud | SurfacePoints:
    """In the world's axes, as large as the frame or the size says; the origin stays where it is."""
    scale = frame.scale
    if size is not None:
        centers = found.means if isinstance(found, GaussianCloud) else found.points
        extent = float((centers.amax(0) - centers.amin(0)).max())
        if not (size > 0 and extent > 0):
            raise ValueError(
                f"system.geometry.initialization_size must be above 0, and what is read must have an extent, "
                f"got {size} and {extent}"
            )
        scale = size / extent
    if scale == 1 and torch.equal(frame.rotation, torch.eye(3)):
        return found
    if isinstance(found, SurfacePoints):
        return found.moved(frame.rotation, scale)
    return transform(found, frame.rotation, scale=scale)


def _cloud_of_points(found: SurfacePoints, beginning: Beginning) -> GaussianCloud:
    if not beginning.keeps_colors or found.colors is None:
        color = torch.tensor(beginning.color, dtype=found.points.dtype)
        found = replace(found, colors=color.expand_as(found.points))
    if beginning.growth.candidates:
        found = grown(found, beginning.growth, beginning.generator())
    return from_points(
        found.points,
        found.colors,
        beginning.opacity,
        beginning.scale,
        beginning.sh_degree,
        found.normals,
        beginning.flatness,
    )
