"""Ellipsoids, boxes and frustums with two colors of paint: the bricks of every toybox object.

World units and world axes: z up, front toward +x. Colors are RGB in [0, 1].
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

Vector = tuple[float, float, float]
Color = tuple[float, float, float]

KINDS = ("ellipsoid", "box", "frustum")
"""Unit shapes: the ball, the cube [-1, 1]^3, and the solid between two disks at z = -1 (radius 1) and z = 1.

In the order of `rendering/numba_solids.py`.
"""


@dataclass(frozen=True)
class Paint:
    """A second color on one side of a plane, or in stripes."""

    color: Color
    toward: Vector
    """Points to the painted side; need not have unit length."""
    beyond: float = 0.0
    """Distance of the plane from the center of the primitive."""
    period: float = 1e6
    """Width of a painted and an unpainted stripe together; the default leaves one stripe, a half-space."""


@dataclass(frozen=True)
class Primitive:
    """A unit shape, stretched by `half_sizes`, turned so that its z axis points along `axis`, moved to `center`."""

    kind: str
    center: Vector
    half_sizes: Vector
    color: Color
    axis: Vector = (0.0, 0.0, 1.0)
    taper: float = 1.0
    """Radius of a frustum's far end (toward `axis`) relative to its near end: 1 a cylinder, 0 a cone."""
    paint: Paint | None = None

    @property
    def rotation(self) -> np.ndarray:
        """[3, 3], columns: the primitive's axes in the world. Its y axis stays as near to world y as it can."""
        z = np.array(self.axis, dtype=float)
        z /= np.linalg.norm(z)
        near_y = np.array((1.0, 0.0, 0.0) if abs(z[1]) > 0.999 else (0.0, 1.0, 0.0))
        y = near_y - (near_y @ z) * z
        y /= np.linalg.norm(y)
        return np.stack([np.cross(y, z), y, z], axis=1)

    def scaled(self, factor: float) -> "Primitive":
        """As seen after the world is scaled about the origin."""
        paint = self.paint
        if paint is not None:
            paint = replace(paint, beyond=paint.beyond * factor, period=paint.period * factor)
        return replace(
            self,
            center=tuple(factor * c for c in self.center),
            half_sizes=tuple(factor * h for h in self.half_sizes),
            paint=paint,
        )

    def moved(self, offset: Vector) -> "Primitive":
        return replace(self, center=tuple(c + o for c, o in zip(self.center, offset, strict=True)))

    def mirrored(self) -> "Primitive":
        """The mirror image in the plane y = 0 (every unit shape is symmetric in its own y)."""
        paint = self.paint
        if paint is not None:
            paint = replace(paint, toward=_flip_y(paint.toward))
        return replace(self, center=_flip_y(self.center), axis=_flip_y(self.axis), paint=paint)


def _flip_y(vector: Vector) -> Vector:
    return (vector[0], -vector[1], vector[2])


def pair(primitives: Primitive | Iterable[Primitive]) -> list[Primitive]:
    """The given primitives and their mirror images in the plane y = 0: eyes, ears, wheels."""
    one_side = [primitives] if isinstance(primitives, Primitive) else list(primitives)
    return one_side + [primitive.mirrored() for primitive in one_side]


def ball(center: Vector, radius: float, color: Color, paint: Paint | None = None) -> Primitive:
    return Primitive("ellipsoid", center, (radius, radius, radius), color, paint=paint)


def ellipsoid(
    center: Vector, radii: Vector, color: Color, axis: Vector = (0, 0, 1), paint: Paint | None = None
) -> Primitive:
    return Primitive("ellipsoid", center, radii, color, axis, paint=paint)


def box(
    center: Vector, half_sizes: Vector, color: Color, axis: Vector = (0, 0, 1), paint: Paint | None = None
) -> Primitive:
    return Primitive("box", center, half_sizes, color, axis, paint=paint)


def frustum(
    start: Vector,
    end: Vector,
    radius: float,
    color: Color,
    end_radius: float | None = None,
    paint: Paint | None = None,
) -> Primitive:
    """The round solid from `start` to `end`; a cylinder unless `end_radius` (at most `radius`) says otherwise."""
    end_radius = radius if end_radius is None else end_radius
    if not 0 <= end_radius <= radius:
        raise ValueError(f"end_radius {end_radius} must lie in [0, radius {radius}]; swap start and end")
    return replace(limb(start, end, radius, color, paint), kind="frustum", taper=end_radius / radius)


def limb(start: Vector, end: Vector, radius: float, color: Color, paint: Paint | None = None) -> Primitive:
    """An ellipsoid whose tips are `start` and `end`."""
    difference = np.subtract(end, start, dtype=float)
    return Primitive(
        "ellipsoid",
        tuple((0.5 * np.add(start, end)).tolist()),
        (radius, radius, float(0.5 * np.linalg.norm(difference))),
        color,
        axis=tuple(difference.tolist()),
        paint=paint,
    )


def chain(points: Iterable[Vector], radius: float, color: Color) -> list[Primitive]:
    """Cylinders from point to point with balls between them: a handle, a tail, a smile."""
    points = list(points)
    segments = [frustum(a, b, radius, color) for a, b in itertools.pairwise(points)]
    return segments + [ball(point, radius, color) for point in points]
