"""Objects without a front: a quarter turn leaves them as they are. A Janus face is impossible here."""

import math

from .figure import CREAM, SNOW, Figure, shade, tint
from .primitives import Color, Paint, ball, box, ellipsoid, frustum

TRUNK: Color = (0.45, 0.28, 0.15)


def cube(color: Color) -> Figure:
    return Figure([box((0, 0, 0), (0.55, 0.55, 0.55), color)], (0, 0, 0.56), 0.3, (0, 0, 0.05), 0.64)


def sphere(color: Color) -> Figure:
    return Figure([ball((0, 0, 0), 0.8, color)], (0, 0, 0.72), 0.36, (0, 0, -0.1), 0.68)


def mushroom(color: Color) -> Figure:
    dots = [ball((0, 0, 0.55), 0.18, SNOW)]
    for height, ring, count, radius in ((0.47, 0.40, 4, 0.15), (0.22, 0.655, 8, 0.13)):
        for index in range(count):
            angle = 2 * math.pi * (index + 0.5 * (count == 8)) / count
            dots.append(ball((ring * math.cos(angle), ring * math.sin(angle), height), radius, SNOW))
    primitives = [
        frustum((0, 0, -0.80), (0, 0, 0.10), 0.34, CREAM, 0.24),
        ellipsoid((0, 0, 0.08), (0.76, 0.76, 0.62), color, paint=Paint(CREAM, (0, 0, -1), 0.16)),
        ellipsoid((0, 0, -0.10), (0.40, 0.40, 0.06), SNOW),
        *dots,
    ]
    return Figure(primitives, (0, 0, 0.62), 0.26, (0, 0, -0.34), 0.27)


def tree(color: Color) -> Figure:
    primitives = [frustum((0, 0, -0.95), (0, 0, -0.5), 0.16, TRUNK)]
    for level, (bottom, top, radius) in enumerate(((-0.62, 0.10, 0.66), (-0.22, 0.46, 0.52), (0.16, 0.80, 0.38))):
        primitives.append(frustum((0, 0, bottom), (0, 0, top), radius, shade(color, 0.7 + 0.15 * level), 0.04))
        for index in range(8):
            angle = 2 * math.pi * (index + 0.5 * level) / 8
            place = (0.96 * radius * math.cos(angle), 0.96 * radius * math.sin(angle), bottom + 0.02)
            primitives.append(ball(place, 0.07, (0.98, 0.80, 0.20) if index % 2 else (0.90, 0.18, 0.20)))
    primitives.append(ball((0, 0, 0.84), 0.12, (0.98, 0.80, 0.20)))
    return Figure(primitives, (0, 0, 0.86), 0.22, (0, 0, 0.16), 0.34)


def vase(color: Color) -> Figure:
    bands = Paint(tint(color, 0.7), (0, 0, 1), 0.05, 0.30)
    primitives = [
        frustum((0, 0, -0.90), (0, 0, -0.76), 0.36, shade(color, 0.5), 0.30),
        ellipsoid((0, 0, -0.28), (0.58, 0.58, 0.56), color, paint=bands),
        frustum((0, 0, 0.10), (0, 0, 0.62), 0.36, color, 0.2),
        frustum((0, 0, 0.86), (0, 0, 0.50), 0.44, color, 0.2),
        frustum((0, 0, 0.84), (0, 0, 0.875), 0.40, shade(color, 0.25)),
    ]
    return Figure(primitives, (0, 0, 0.88), 0.3, (0, 0, 0.42), 0.25)


def cake(color: Color) -> Figure:
    dark = shade(color, 0.45)
    primitives = [
        frustum((0, 0, -0.62), (0, 0, -0.54), 0.92, SNOW),
        frustum((0, 0, -0.54), (0, 0, -0.14), 0.74, CREAM, paint=Paint(dark, (0, 0, 1), -0.06, 0.24)),
        frustum((0, 0, -0.20), (0, 0, -0.06), 0.78, color, 0.72),
        frustum((0, 0, -0.06), (0, 0, 0.28), 0.48, CREAM, paint=Paint(dark, (0, 0, 1), -0.05, 0.2)),
        frustum((0, 0, 0.24), (0, 0, 0.36), 0.52, color, 0.47),
    ]
    for index in range(8):
        angle = 2 * math.pi * index / 8
        primitives.append(ball((0.60 * math.cos(angle), 0.60 * math.sin(angle), -0.02), 0.10, (0.88, 0.12, 0.20)))
    for index in range(4):
        angle = 2 * math.pi * (index + 0.5) / 4
        x, y = 0.30 * math.cos(angle), 0.30 * math.sin(angle)
        primitives.append(frustum((x, y, 0.34), (x, y, 0.62), 0.05, (0.45, 0.70, 0.95)))
        primitives.append(ellipsoid((x, y, 0.69), (0.045, 0.045, 0.08), (1.0, 0.75, 0.15)))
    return Figure(primitives, (0, 0, 0.36), 0.22, (0, 0, 0.10), 0.45)
