"""From a caption to a scene that fits the toybox's ball."""

import functools

import numpy as np

from . import animals, frontless, things
from .figure import hat, scarf
from .primitives import Primitive
from .scene import Scene, pack
from .vocabulary import COLORS, OBJECTS, ToyboxCaption, parse_caption

BALL_RADIUS = 0.95
"""Every object lies in this ball round the origin and touches it, to within half a percent."""

_FIGURES = {
    name: next(getattr(module, name) for module in (animals, things, frontless) if hasattr(module, name))
    for name in OBJECTS
}


@functools.lru_cache(maxsize=64)
def build_scene(caption: str | ToyboxCaption) -> Scene:
    """The captioned object; its view word, if any, is ignored.

    Raises:
        ValueError: the caption is not the toybox's; the message lists the vocabulary.
    """
    return pack(build_primitives(caption))


def build_primitives(caption: str | ToyboxCaption) -> list[Primitive]:
    """The captioned object as primitives in world units, front toward +x."""
    if isinstance(caption, str):
        caption = parse_caption(caption)
    figure = _FIGURES[caption.object_name](COLORS[caption.color])
    primitives = list(figure.primitives)
    if caption.accessory == "hat":
        primitives += hat(figure.hat_place, figure.hat_radius, COLORS[caption.accessory_color])
    elif caption.accessory == "scarf":
        primitives += scarf(figure.scarf_place, figure.scarf_radius, COLORS[caption.accessory_color], figure.scarf_axis)
    return _fit_into_ball(primitives)


def _fit_into_ball(primitives: list[Primitive]) -> list[Primitive]:
    """Centered (by the middle of its extent) and scaled so that the farthest point is at `BALL_RADIUS`."""
    points = np.concatenate([_outline(primitive) for primitive in primitives])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    factor = BALL_RADIUS / np.linalg.norm(points - middle, axis=1).max()
    return [primitive.moved(tuple((-middle).tolist())).scaled(float(factor)) for primitive in primitives]


def _outline(primitive: Primitive) -> np.ndarray:
    """[n, 3] points of which the primitive is, to within a percent, the convex hull."""
    local = _unit_outline(primitive.kind, primitive.taper)
    return local * primitive.half_sizes @ primitive.rotation.T + primitive.center


@functools.cache
def _unit_outline(kind: str, taper: float) -> np.ndarray:
    if kind == "box":
        return np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if kind == "frustum":
        rings = [(-1.0, 1.0), (1.0, taper)]
    else:
        rings = [(np.sin(polar), np.cos(polar)) for polar in np.linspace(-np.pi / 2, np.pi / 2, 17)]
    return np.concatenate(
        [np.pad(radius * circle, ((0, 0), (0, 1)), constant_values=height) for height, radius in rings]
    )
