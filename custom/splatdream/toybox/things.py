"""Robot, snowman, vehicles and house: things with an unmistakable front, toward +x."""

from .figure import BEAK, BLACK, CHARCOAL, CREAM, GLASS, GOLD, SNOW, Figure, backed, eye, shade
from .primitives import Color, Paint, ball, box, chain, ellipsoid, frustum, limb, pair

STEEL: Color = (0.70, 0.73, 0.77)
TAIL_LIGHT: Color = (0.80, 0.05, 0.06)
WOOD: Color = (0.42, 0.26, 0.14)


def robot(color: Color) -> Figure:
    dark = shade(color, 0.57)
    primitives = [
        box((0, 0, -0.26), (0.32, 0.40, 0.36), color, paint=backed(color, 0.18)),
        box((0.30, 0, -0.20), (0.05, 0.28, 0.22), SNOW),
        ball((0.36, 0.14, -0.10), 0.065, (0.90, 0.15, 0.15)),
        ball((0.36, -0.04, -0.10), 0.065, GOLD),
        ball((0.36, -0.18, -0.10), 0.045, (0.15, 0.70, 0.25)),
        box((0.35, 0, -0.30), (0.02, 0.2, 0.05), CHARCOAL),
        frustum((0, 0, 0.06), (0, 0, 0.20), 0.14, STEEL),
        box((0.02, 0, 0.42), (0.30, 0.36, 0.26), color, paint=backed(color, 0.12)),
        box((0.30, 0, 0.43), (0.04, 0.30, 0.20), CHARCOAL),
        *pair(
            [
                ball((0.32, 0.13, 0.48), 0.085, (0.15, 0.92, 0.95)),
                frustum((0.0, 0.34, 0.44), (0.0, 0.46, 0.44), 0.11, STEEL),
                *chain([(0.0, 0.46, 0.00), (0.06, 0.56, -0.24), (0.28, 0.54, -0.36)], 0.09, STEEL),
                ball((0.32, 0.54, -0.38), 0.13, dark),
                frustum((0.0, 0.19, -0.84), (0.0, 0.19, -0.58), 0.12, STEEL),
                box((0.08, 0.19, -0.86), (0.22, 0.16, 0.09), dark),
            ]
        ),
        box((0.33, 0, 0.32), (0.03, 0.14, 0.03), GOLD),
        # A power pack with a key to wind it up, and one antenna on the left.
        box((-0.38, 0, -0.22), (0.12, 0.30, 0.26), CHARCOAL, paint=Paint(GOLD, (0, 0, 1), 0.0, 0.26)),
        limb((-0.46, 0, -0.2), (-0.72, 0, -0.2), 0.05, STEEL),
        ellipsoid((-0.74, 0.0, -0.2), (0.05, 0.18, 0.1), GOLD),
        frustum((0.0, 0.2, 0.66), (0.0, 0.2, 0.86), 0.03, STEEL),
        ball((0.0, 0.2, 0.90), 0.08, (0.92, 0.15, 0.15)),
    ]
    return Figure(primitives, (0.0, -0.06, 0.70), 0.24, (0.02, 0, 0.13), 0.30)


def snowman(color: Color) -> Figure:
    coat = backed(SNOW, 0.02, color)
    primitives = [
        ball((0, 0, -0.50), 0.46, SNOW, backed(SNOW, 0.02, shade(color, 0.55))),
        ball((0.0, 0, 0.08), 0.36, color, backed(color, 0.0, shade(color, 0.55))),
        ellipsoid((0.06, 0, 0.06), (0.34, 0.28, 0.32), SNOW),
        ball((0.03, 0, 0.56), 0.29, SNOW, coat),
        *pair(
            [
                ball((0.28, 0.10, 0.64), 0.048, BLACK),
                ball((0.255, 0.17, 0.50), 0.028, BLACK),
                limb((0.0, 0.30, 0.12), (0.12, 0.82, 0.30), 0.045, WOOD),
                limb((0.07, 0.60, 0.22), (0.22, 0.70, 0.40), 0.028, WOOD),
            ]
        ),
        *[ball((0.29, y, 0.46), 0.028, BLACK) for y in (-0.09, 0.0, 0.09)],
        *[ball((x, 0, z), 0.05, BLACK) for x, z in ((0.39, 0.14), (0.385, -0.02), (0.44, -0.38))],
        frustum((0.26, 0, 0.56), (0.68, 0, 0.53), 0.075, BEAK, 0.0),
        # A broom over one shoulder.
        limb((-0.16, 0.50, -0.66), (-0.10, 0.50, 0.60), 0.035, WOOD),
        frustum((-0.10, 0.50, 0.84), (-0.11, 0.50, 0.50), 0.15, GOLD, 0.05),
    ]
    return Figure(primitives, (0.02, 0, 0.80), 0.22, (0.02, 0, 0.33), 0.27)


def _wheels(x: float, y: float, z: float, radius: float, half_width: float) -> list:
    """A pair, with hub caps."""
    return pair(
        [
            frustum((x, y - half_width, z), (x, y + half_width, z), radius, BLACK),
            frustum((x, y, z), (x, y + 1.15 * half_width, z), 0.55 * radius, STEEL),
        ]
    )


def car(color: Color) -> Figure:
    dark = shade(color, 0.57)
    primitives = [
        box((-0.02, 0, -0.28), (0.80, 0.46, 0.22), color, paint=Paint(dark, (-1, 0, 0), 0.42)),
        ellipsoid((0.40, 0, -0.12), (0.46, 0.46, 0.20), color),
        box((-0.20, 0, 0.10), (0.44, 0.40, 0.24), color, paint=Paint(dark, (-1, 0, 0), 0.2)),
        box((0.22, 0, 0.12), (0.05, 0.34, 0.16), GLASS, (-0.35, 0.0, 1.0)),
        box((-0.63, 0, 0.12), (0.03, 0.28, 0.13), CHARCOAL),
        *pair(
            [
                box((-0.02, 0.40, 0.14), (0.16, 0.03, 0.13), GLASS),
                box((-0.40, 0.40, 0.14), (0.15, 0.03, 0.13), GLASS),
                ellipsoid((0.76, 0.30, -0.16), (0.10, 0.15, 0.15), SNOW),
                ellipsoid((0.82, 0.30, -0.16), (0.06, 0.09, 0.09), GOLD),
                box((-0.80, 0.34, -0.22), (0.04, 0.10, 0.10), TAIL_LIGHT),
                ball((0.26, 0.50, 0.06), 0.07, dark),
            ]
        ),
        *_wheels(0.46, 0.44, -0.46, 0.25, 0.11),
        *_wheels(-0.46, 0.44, -0.46, 0.25, 0.11),
        box((0.80, 0, -0.24), (0.04, 0.22, 0.09), CHARCOAL, paint=Paint(SNOW, (0, 1, 0), 0.0, 0.11)),
        box((0.84, 0, -0.42), (0.05, 0.44, 0.06), SNOW),
        box((-0.84, 0, -0.42), (0.05, 0.44, 0.06), CHARCOAL),
        box((-0.83, 0, -0.26), (0.02, 0.16, 0.07), GOLD),
        # A roof rack with a rolled-up carpet on the left, an aerial on the right.
        frustum((-0.52, 0.18, 0.42), (0.12, 0.18, 0.42), 0.11, CREAM, paint=Paint(dark, (1, 0, 0), 0.0, 0.2)),
        limb((-0.56, -0.32, 0.30), (-0.74, -0.32, 0.76), 0.022, BLACK),
    ]
    return Figure(primitives, (-0.2, -0.1, 0.36), 0.24, (-0.2, 0, 0.0), 0.48)


def train(color: Color) -> Figure:
    dark = shade(color, 0.57)
    primitives = [
        box((0.0, 0, -0.42), (0.82, 0.36, 0.10), CHARCOAL),
        frustum((-0.22, 0, -0.02), (0.66, 0, -0.02), 0.32, color),
        *[frustum((x, 0, -0.02), (x + 0.06, 0, -0.02), 0.335, GOLD) for x in (0.05, 0.40)],
        frustum((0.62, 0, -0.02), (0.74, 0, -0.02), 0.34, SNOW),
        frustum((0.70, 0, -0.02), (0.77, 0, -0.02), 0.27, shade(color, 0.75)),
        *pair([*eye((0.77, 0.11, 0.06), 0.075)]),
        *chain([(0.79, y, z) for y, z in ((-0.14, -0.10), (-0.06, -0.16), (0.06, -0.16), (0.14, -0.10))], 0.022, BLACK),
        box((-0.50, 0, 0.10), (0.32, 0.42, 0.46), color, paint=Paint(dark, (-1, 0, 0), 0.16)),
        box((-0.50, 0, 0.60), (0.40, 0.50, 0.06), dark),
        *pair(
            [
                box((-0.46, 0.42, 0.28), (0.16, 0.02, 0.15), GLASS),
                box((-0.17, 0.24, 0.38), (0.02, 0.11, 0.11), GLASS),
            ]
        ),
        box((-0.83, 0, 0.16), (0.02, 0.22, 0.26), CREAM),
        box((-0.85, 0, -0.30), (0.04, 0.36, 0.08), TAIL_LIGHT),
        frustum((0.44, 0, 0.66), (0.44, 0, 0.22), 0.19, CHARCOAL, 0.1),
        ball((0.12, 0, 0.32), 0.13, GOLD),
        *_wheels(0.42, 0.36, -0.52, 0.22, 0.07),
        *_wheels(0.0, 0.36, -0.52, 0.22, 0.07),
        *_wheels(-0.50, 0.36, -0.46, 0.30, 0.07),
        box((0.84, 0, -0.52), (0.05, 0.36, 0.17), TAIL_LIGHT, (-0.6, 0.0, 1.0), Paint(SNOW, (0, 1, 0), 0.03, 0.18)),
        # A connecting rod on the right, coal sacks on the left.
        limb((-0.50, -0.46, -0.44), (0.44, -0.46, -0.44), 0.045, STEEL),
        ball((-0.10, 0.34, -0.16), 0.15, BLACK),
        ball((0.12, 0.34, -0.20), 0.12, BLACK),
    ]
    return Figure(primitives, (-0.5, 0, 0.66), 0.28, (0.24, 0, -0.02), 0.32, (1.0, 0.0, 0.0))


def airplane(color: Color) -> Figure:
    dark = shade(color, 0.57)
    primitives = [
        limb((0.86, 0, -0.02), (-1.0, 0, 0.12), 0.34, color, Paint(dark, (-1, 0, 0), 0.30)),
        ellipsoid((0.50, 0, -0.04), (0.34, 0.33, 0.33), SNOW),
        ellipsoid((0.14, 0, 0.26), (0.34, 0.20, 0.20), GLASS),
        box((0.12, 0, -0.10), (0.24, 0.98, 0.05), color, paint=Paint(dark, (-1, 0, 0), 0.0)),
        box((0.12, 0.97, -0.10), (0.25, 0.05, 0.08), TAIL_LIGHT),
        box((0.12, -0.97, -0.10), (0.25, 0.05, 0.08), (0.1, 0.6, 0.25)),
        box((-0.82, 0, 0.14), (0.16, 0.46, 0.045), dark),
        box((-0.84, 0, 0.36), (0.17, 0.05, 0.26), dark, (-0.3, 0.0, 1.0)),
        ball((-0.84, 0.0, 0.64), 0.08, TAIL_LIGHT),
        frustum((0.82, 0, -0.03), (1.02, 0, -0.03), 0.14, BEAK, 0.03),
        box((0.88, 0, -0.03), (0.025, 0.05, 0.36), CHARCOAL, paint=Paint(GOLD, (0, 0, 1), 0.27)),
        box((0.88, 0, -0.03), (0.025, 0.36, 0.05), CHARCOAL),
        *pair(
            [
                *eye((0.70, 0.17, 0.13), 0.10, (1.0, 0.2, 0.0)),
                frustum((0.42, 0.50, -0.14), (-0.20, 0.50, -0.14), 0.12, STEEL, 0.05),
                limb((0.20, 0.22, -0.24), (0.22, 0.32, -0.56), 0.05, STEEL),
                frustum((0.22, 0.28, -0.58), (0.22, 0.38, -0.58), 0.15, BLACK),
            ]
        ),
    ]
    return Figure(primitives, (0.14, 0, 0.42), 0.2, (-0.22, 0, 0.06), 0.30, (1.0, 0.0, 0.0))


def house(color: Color) -> Figure:
    dark = shade(color, 0.58)
    brick = (0.62, 0.24, 0.18)
    primitives = [
        box((0, 0, -0.34), (0.54, 0.60, 0.42), color, paint=Paint(dark, (-1, 0, 0), 0.3)),
        # A gable roof: a square bar lying on its edge.
        *pair(box((0, 0.34, 0.30), (0.64, 0.50, 0.06), CHARCOAL, (0.0, 0.62, 0.78))),
        box((0.0, 0, 0.06), (0.53, 0.33, 0.33), color, (0.0, 0.70, 0.72)),
        box((-0.46, 0, 0.08), (0.10, 0.33, 0.33), dark, (0.0, 0.70, 0.72)),
        box((0.55, 0.0, -0.46), (0.03, 0.17, 0.30), WOOD),
        ball((0.60, 0.10, -0.48), 0.04, GOLD),
        box((0.66, 0.0, -0.75), (0.16, 0.24, 0.05), STEEL),
        *pair(
            [
                box((0.55, 0.40, -0.28), (0.03, 0.15, 0.17), SNOW),
                box((0.57, 0.40, -0.28), (0.03, 0.11, 0.13), GLASS),
            ]
        ),
        frustum((0.48, 0, 0.20), (0.58, 0, 0.20), 0.16, SNOW),
        frustum((0.48, 0, 0.20), (0.60, 0, 0.20), 0.11, GLASS),
        box((-0.26, 0.34, 0.56), (0.13, 0.13, 0.30), brick),
        box((-0.26, 0.34, 0.86), (0.16, 0.16, 0.05), CREAM),
        # A bush on the left wall, a wood pile on the right, ivy at the back.
        ellipsoid((0.10, 0.66, -0.58), (0.30, 0.16, 0.22), (0.16, 0.50, 0.18)),
        *[frustum((-0.30, -0.66, z), (0.24, -0.66, z), 0.08, WOOD) for z in (-0.68, -0.53, -0.38)],
        ellipsoid((-0.56, -0.22, -0.30), (0.08, 0.24, 0.40), (0.16, 0.50, 0.18)),
        box((0, 0, -0.78), (0.72, 0.74, 0.04), (0.45, 0.68, 0.30), paint=backed(color, 0.3, (0.25, 0.42, 0.16))),
    ]
    return Figure(primitives, (-0.26, 0.34, 0.90), 0.17, (-0.26, 0.34, 0.66), 0.19)
