"""Where a cloud begins: the registry of initializations, by name or by the suffix of a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from .cloud import GaussianCloud
from .composition import with_sh_degree
from .initialization import ball, from_points
from .ply import holds_gaussians, read_ply, read_points_ply


@dataclass(frozen=True)
class Beginning:
    """What an initialization may know of the run; each reads what it needs."""

    source: str
    """What was asked for: a name, or the path of a file."""
    prompt: str = ""
    seed: int = 0
    num_points: int = 1000
    radius: float = 0.5
    """World units."""
    opacity: float = 0.1
    """In (0, 1)."""
    scale: float | None = None
    """Standard deviation, world units; None takes it from the distances to the nearest neighbors."""
    color: tuple[float, ...] = (0.5, 0.5, 0.5)
    """Red, green and blue in [0, 1], where points bring no color."""
    color_std: float = 0.0
    """Standard deviation of the color from point to point."""
    sh_degree: int = 0


def _ball(beginning: Beginning) -> GaussianCloud:
    """Points drawn in a ball."""
    return ball(
        beginning.num_points,
        beginning.radius,
        torch.Generator().manual_seed(beginning.seed),
        beginning.color,
        beginning.color_std,
        beginning.opacity,
        beginning.scale,
        beginning.sh_degree,
    )


def _ply(beginning: Beginning) -> GaussianCloud:
    """Gaussians, or points, of a PLY file."""
    if holds_gaussians(beginning.source):
        return with_sh_degree(read_ply(beginning.source), beginning.sh_degree)
    points, colors = read_points_ply(beginning.source)
    if colors is None:
        colors = torch.tensor(beginning.color).expand_as(points)
    return from_points(points, colors, beginning.opacity, beginning.scale, beginning.sh_degree)


INITIALIZATIONS: dict[str, Callable[[Beginning], GaussianCloud]] = {"ball": _ball, ".ply": _ply}
"""By name, or by suffix where `source` is a file. A new initialization is a file with one function, and a line here."""


def initial_cloud(beginning: Beginning) -> GaussianCloud:
    """The cloud at step 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: neither a name nor a suffix is known, or a number is out of its range.
    """
    chosen = INITIALIZATIONS.get(beginning.source) or INITIALIZATIONS.get(Path(beginning.source).suffix.lower())
    if chosen is None:
        raise ValueError(
            f"system.geometry.initialization '{beginning.source}' is unknown; choose one of "
            f"{', '.join(INITIALIZATIONS)}, where a suffix stands for the path of such a file"
        )
    return chosen(beginning)
