"""A figure: primitives, and where it would wear a hat and a scarf. Plus the shades of paint that figures share."""

from dataclasses import dataclass

from .primitives import Color, Paint, Primitive, Vector, ball, ellipsoid, frustum, limb

BLACK: Color = (0.06, 0.06, 0.07)
CHARCOAL: Color = (0.20, 0.21, 0.23)
CREAM: Color = (0.99, 0.93, 0.80)
SNOW: Color = (0.96, 0.96, 0.97)
PINK: Color = (0.97, 0.55, 0.60)
BEAK: Color = (0.98, 0.62, 0.10)
GLASS: Color = (0.62, 0.84, 0.97)
GOLD: Color = (0.98, 0.80, 0.20)


def shade(color: Color, factor: float) -> Color:
    """Darker: factor 1 leaves the color, 0 makes black."""
    return tuple(factor * channel for channel in color)


def tint(color: Color, amount: float) -> Color:
    """Lighter: amount 0 leaves the color, 1 makes white."""
    return tuple(channel + amount * (1 - channel) for channel in color)


@dataclass(frozen=True)
class Figure:
    """An object before it is fitted into the ball of the toybox."""

    primitives: list[Primitive]
    hat_place: Vector
    """The middle of the hat's brim."""
    hat_radius: float
    scarf_place: Vector
    """The middle of the scarf's ring."""
    scarf_radius: float
    scarf_axis: Vector = (0.0, 0.0, 1.0)


def backed(color: Color, beyond: float = 0.0, behind: Color | None = None) -> Paint:
    """Paint for the side that faces away from the front, by default a dark shade of the color."""
    return Paint(behind or shade(color, 0.58), (-1.0, 0.0, 0.0), beyond)


def eye(center: Vector, radius: float, looking: Vector = (1.0, 0.0, 0.0)) -> list[Primitive]:
    """A white ball, a black pupil on the side where it looks, and a glint."""
    length = sum(component**2 for component in looking) ** 0.5
    unit = tuple(component / length for component in looking)
    pupil = tuple(c + 0.52 * radius * u for c, u in zip(center, unit, strict=True))
    glint = tuple(c + 0.98 * radius * u for c, u in zip(center, unit, strict=True))
    return [
        ball(center, radius, SNOW),
        ball(pupil, 0.68 * radius, BLACK),
        ball((glint[0], glint[1], glint[2] + 0.35 * radius), 0.2 * radius, SNOW),
    ]


def hat(place: Vector, radius: float, color: Color) -> list[Primitive]:
    """A top hat with a band, a brim, and a feather on the figure's left side."""
    x, y, z = place
    dark = shade(color, 0.4)
    return [
        frustum((x, y, z - 0.04 * radius), (x, y, z + 0.12 * radius), 1.25 * radius, color, 1.2 * radius),
        frustum((x, y, z), (x, y, z + 1.25 * radius), 0.8 * radius, color, 0.72 * radius),
        frustum((x, y, z + 0.12 * radius), (x, y, z + 0.42 * radius), 0.83 * radius, dark, 0.81 * radius),
        limb(
            (x, y + 0.78 * radius, z + 0.2 * radius),
            (x - 0.2 * radius, y + 1.15 * radius, z + 1.2 * radius),
            0.16 * radius,
            CREAM,
        ),
    ]


def scarf(place: Vector, radius: float, color: Color, axis: Vector) -> list[Primitive]:
    """A ring with two striped ends: in front, to the left; round a level neck, on the left side."""
    x, y, z = place
    stripes = Paint(tint(color, 0.75), (0.0, 0.0, 1.0), 0.0, 0.42 * radius)
    ring = ellipsoid(place, (1.22 * radius, 1.22 * radius, 0.27 * radius), color, axis=axis)
    ends = []
    for along, length in ((0.35, 1.05), (0.62, 0.8)):
        if axis[0] > axis[2]:
            top = (x + (along - 0.45) * radius, y + 1.12 * radius, z + 0.2 * radius)
            out = (0.1 * radius, 0.1 * radius)
        else:
            top = (x + 0.95 * radius, y + along * radius, z + 0.1 * radius)
            out = (0.1 * radius, 0.12 * radius)
        bottom = (top[0] + out[0], top[1] + out[1], z - length * radius)
        ends.append(limb(top, bottom, 0.2 * radius, color, stripes))
    return [ring, *ends]
