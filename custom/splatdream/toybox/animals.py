"""The animals of the toybox, front toward +x. Their fronts are light, their backs dark, their tails to one side."""

from .figure import BEAK, BLACK, CREAM, GOLD, PINK, SNOW, Figure, backed, eye, shade, tint
from .primitives import Color, Paint, ball, chain, ellipsoid, frustum, limb, pair


def cat(color: Color) -> Figure:
    dark = shade(color, 0.55)
    stripes = Paint(dark, (0.0, 0.0, 1.0), 0.05, 0.16)
    primitives = [
        ellipsoid((-0.05, 0, -0.35), (0.42, 0.40, 0.44), color, paint=backed(color, 0.16)),
        ellipsoid((0.16, 0, -0.33), (0.26, 0.27, 0.34), CREAM),
        ellipsoid((0.08, 0, 0.28), (0.40, 0.45, 0.36), color, paint=backed(color, 0.08)),
        ellipsoid((0.38, 0, 0.17), (0.13, 0.19, 0.12), CREAM),
        ball((0.50, 0, 0.22), 0.05, PINK),
        *pair(
            [
                *eye((0.37, 0.17, 0.36), 0.105, (1.0, 0.25, 0.0)),
                frustum((0.05, 0.27, 0.48), (0.04, 0.35, 0.86), 0.17, color, 0.0, paint=backed(color, -0.02)),
                frustum((0.10, 0.27, 0.50), (0.09, 0.33, 0.77), 0.11, PINK, 0.0),
                limb((0.28, 0.17, -0.35), (0.34, 0.17, -0.84), 0.11, color),
                ball((0.38, 0.17, -0.78), 0.11, CREAM),
                ellipsoid((0.0, 0.33, -0.62), (0.26, 0.14, 0.2), color, paint=stripes),
                limb((0.42, 0.10, 0.16), (0.48, 0.52, 0.22), 0.014, BLACK),
                limb((0.42, 0.10, 0.12), (0.48, 0.52, 0.08), 0.014, BLACK),
            ]
        ),
        *chain([(-0.42, 0.0, -0.66), (-0.66, 0.16, -0.58), (-0.74, 0.28, -0.30), (-0.66, 0.34, -0.02)], 0.085, dark),
        ball((-0.64, 0.35, 0.04), 0.1, CREAM),
    ]
    return Figure(primitives, (0.06, 0, 0.60), 0.22, (0.06, 0, -0.06), 0.30)


def dog(color: Color) -> Figure:
    dark = shade(color, 0.55)
    saddle = Paint(dark, (-0.75, 0.0, 0.6), 0.10)
    primitives = [
        ellipsoid((-0.15, 0, -0.28), (0.56, 0.38, 0.36), color, paint=saddle),
        ellipsoid((0.22, 0, -0.24), (0.28, 0.27, 0.32), CREAM),
        ellipsoid((0.28, 0, 0.34), (0.36, 0.36, 0.36), color, paint=backed(color, 0.1)),
        ellipsoid((0.56, 0, 0.24), (0.26, 0.2, 0.17), CREAM),
        ellipsoid((0.80, 0, 0.33), (0.08, 0.11, 0.08), BLACK),
        ellipsoid((0.68, 0, 0.08), (0.1, 0.08, 0.12), PINK),
        ellipsoid((0.50, 0.19, 0.46), (0.14, 0.16, 0.17), dark),
        *pair(
            [
                *eye((0.57, 0.15, 0.46), 0.095),
                limb((0.32, 0.21, -0.40), (0.38, 0.21, -0.92), 0.14, color),
                ball((0.42, 0.21, -0.85), 0.13, CREAM),
                limb((-0.42, 0.22, -0.30), (-0.46, 0.22, -0.92), 0.17, color, backed(color, 0.05)),
                ball((-0.42, 0.22, -0.85), 0.13, CREAM),
            ]
        ),
        limb((0.24, 0.30, 0.62), (0.28, 0.46, 0.02), 0.15, dark),
        limb((0.24, -0.30, 0.62), (0.28, -0.46, 0.02), 0.15, CREAM),
        limb((-0.62, 0.0, -0.20), (-0.94, 0.12, 0.34), 0.1, dark),
        ball((-0.90, 0.11, 0.28), 0.1, CREAM),
    ]
    return Figure(primitives, (0.24, 0, 0.66), 0.22, (0.16, 0, 0.02), 0.27)


def rabbit(color: Color) -> Figure:
    dark = shade(color, 0.55)
    primitives = [
        ellipsoid((-0.08, 0, -0.48), (0.44, 0.40, 0.42), color, paint=backed(color, 0.10)),
        ellipsoid((0.16, 0, -0.44), (0.24, 0.27, 0.33), SNOW),
        ellipsoid((0.10, 0, 0.10), (0.35, 0.37, 0.33), color, paint=backed(color, 0.06)),
        *pair(
            [
                ball((0.38, 0.10, 0.01), 0.13, SNOW),
                *eye((0.34, 0.18, 0.20), 0.10, (1.0, 0.4, 0.0)),
                ellipsoid((0.02, 0.19, 0.68), (0.09, 0.13, 0.36), color, (0.0, 0.2, 1.0), backed(color, 0.0)),
                ellipsoid((0.06, 0.19, 0.68), (0.07, 0.085, 0.29), PINK, (0.0, 0.2, 1.0)),
                ellipsoid((0.26, 0.26, -0.82), (0.28, 0.14, 0.11), color),
                ellipsoid((-0.08, 0.36, -0.62), (0.30, 0.13, 0.26), color, paint=backed(color, 0.05)),
                limb((0.24, 0.22, -0.22), (0.44, 0.12, -0.48), 0.09, color),
            ]
        ),
        ball((0.49, 0, 0.06), 0.05, PINK),
        ellipsoid((0.46, 0, -0.10), (0.04, 0.07, 0.08), SNOW),
        # A carrot, held to one side.
        frustum((0.48, 0.02, -0.34), (0.56, 0.26, -0.66), 0.10, BEAK, 0.02),
        limb((0.50, 0.02, -0.36), (0.48, -0.10, -0.16), 0.06, (0.2, 0.6, 0.2)),
        ball((-0.52, 0, -0.56), 0.19, SNOW),
        ellipsoid((-0.36, 0.12, -0.26), (0.14, 0.18, 0.18), dark),
    ]
    return Figure(primitives, (0.08, 0, 0.38), 0.2, (0.06, 0, -0.18), 0.28)


def bear(color: Color) -> Figure:
    dark = shade(color, 0.58)
    primitives = [
        ellipsoid((-0.04, 0, -0.36), (0.46, 0.48, 0.46), color, paint=backed(color, 0.08)),
        ellipsoid((0.18, 0, -0.36), (0.29, 0.33, 0.35), CREAM),
        ball((0.06, 0, 0.36), 0.42, color, backed(color, 0.08)),
        ellipsoid((0.40, 0, 0.26), (0.18, 0.21, 0.17), CREAM),
        ellipsoid((0.57, 0, 0.33), (0.06, 0.09, 0.065), BLACK),
        ellipsoid((0.55, 0, 0.19), (0.03, 0.07, 0.02), BLACK),
        *pair(
            [
                ball((0.40, 0.18, 0.47), 0.065, BLACK),
                ball((0.45, 0.195, 0.50), 0.022, SNOW),
                ball((-0.02, 0.34, 0.70), 0.17, color, backed(color, 0.0)),
                ellipsoid((0.09, 0.34, 0.70), (0.08, 0.11, 0.11), CREAM),
                limb((0.10, 0.40, 0.00), (0.34, 0.62, -0.46), 0.16, color, backed(color, 0.04)),
                limb((0.02, 0.24, -0.66), (0.62, 0.32, -0.74), 0.2, color),
                ellipsoid((0.60, 0.32, -0.73), (0.06, 0.13, 0.14), CREAM),
            ]
        ),
        ball((-0.50, 0, -0.56), 0.14, dark),
        # A patch sewn on the back, off the middle.
        ellipsoid((-0.42, -0.16, -0.24), (0.12, 0.17, 0.17), CREAM),
    ]
    return Figure(primitives, (0.02, 0, 0.72), 0.24, (0.04, 0, -0.02), 0.33)


def penguin(color: Color) -> Figure:
    dark = shade(color, 0.58)
    primitives = [
        ellipsoid((0, 0, -0.28), (0.45, 0.46, 0.58), color, paint=backed(color, 0.12, dark)),
        ellipsoid((0.15, 0, -0.32), (0.34, 0.36, 0.50), SNOW),
        ball((0.02, 0, 0.44), 0.37, color, backed(color, 0.10, dark)),
        *pair(
            [
                ellipsoid((0.22, 0.14, 0.42), (0.18, 0.16, 0.22), SNOW),
                *eye((0.36, 0.13, 0.50), 0.075),
                ellipsoid((-0.06, 0.52, -0.22), (0.18, 0.07, 0.42), dark, (0.0, 0.28, -1.0)),
                ellipsoid((0.20, 0.2, -0.86), (0.28, 0.17, 0.08), BEAK),
            ]
        ),
        frustum((0.32, 0, 0.36), (0.66, 0, 0.30), 0.11, BEAK, 0.0),
        frustum((-0.30, 0, -0.70), (-0.62, 0.1, -0.84), 0.16, dark, 0.04),
        *pair(ellipsoid((-0.03, 0.36, 0.40), (0.12, 0.06, 0.12), BEAK)),
    ]
    return Figure(primitives, (0.0, 0, 0.74), 0.24, (0.02, 0, 0.12), 0.33)


def owl(color: Color) -> Figure:
    dark = shade(color, 0.58)
    bars = Paint(shade(color, 0.3), (0.0, 0.0, 1.0), 0.0, 0.24)
    primitives = [
        ellipsoid((0, 0, -0.16), (0.46, 0.50, 0.64), color),
        ellipsoid((-0.12, 0, -0.16), (0.40, 0.44, 0.60), dark, paint=bars),
        ellipsoid((0.16, 0, -0.32), (0.34, 0.36, 0.42), CREAM, paint=Paint(color, (0.0, 0.0, 1.0), 0.02, 0.2)),
        ellipsoid((0.04, 0, 0.42), (0.40, 0.46, 0.34), color, paint=backed(color, 0.10)),
        *pair(
            [
                ellipsoid((0.34, 0.21, 0.42), (0.12, 0.23, 0.24), SNOW),
                ball((0.40, 0.20, 0.42), 0.135, BEAK),
                ball((0.47, 0.20, 0.42), 0.085, BLACK),
                ball((0.54, 0.22, 0.46), 0.025, SNOW),
                frustum((0.10, 0.28, 0.62), (0.12, 0.42, 0.92), 0.14, color, 0.0, paint=backed(color, 0.0)),
                ellipsoid((-0.06, 0.47, -0.18), (0.30, 0.10, 0.50), dark, (-0.3, 0.05, 1.0)),
                ellipsoid((0.26, 0.18, -0.80), (0.20, 0.13, 0.07), BEAK),
            ]
        ),
        frustum((0.42, 0, 0.36), (0.56, 0, 0.14), 0.10, BEAK, 0.0),
        ellipsoid((-0.42, 0.0, -0.66), (0.10, 0.22, 0.30), dark, (-0.7, 0.0, -1.0)),
    ]
    return Figure(primitives, (0.02, 0, 0.72), 0.24, (0.04, 0, 0.10), 0.37)


def duck(color: Color) -> Figure:
    dark = shade(color, 0.58)
    primitives = [
        ellipsoid((-0.10, 0, -0.34), (0.62, 0.48, 0.40), color, paint=backed(color, 0.18)),
        ellipsoid((0.22, 0, -0.32), (0.32, 0.36, 0.32), tint(color, 0.75)),
        ball((0.26, 0, 0.34), 0.38, color, backed(color, 0.12)),
        ellipsoid((0.62, 0, 0.28), (0.26, 0.24, 0.07), BEAK),
        ellipsoid((0.58, 0, 0.20), (0.20, 0.19, 0.05), shade(BEAK, 0.75)),
        *pair(
            [
                *eye((0.52, 0.20, 0.46), 0.085, (0.8, 0.6, 0.0)),
                ellipsoid((-0.16, 0.44, -0.26), (0.40, 0.10, 0.24), dark, (0.25, 0.1, 1.0)),
                ellipsoid((0.12, 0.22, -0.78), (0.24, 0.16, 0.06), BEAK),
            ]
        ),
        frustum((-0.56, 0, -0.30), (-0.92, 0.06, 0.08), 0.22, dark, 0.02),
        limb((0.24, 0.0, 0.66), (0.06, 0.10, 0.90), 0.06, dark),
        limb((0.28, 0.0, 0.66), (0.16, -0.10, 0.88), 0.05, dark),
    ]
    return Figure(primitives, (0.22, 0, 0.66), 0.28, (0.2, 0, 0.04), 0.29)


def frog(color: Color) -> Figure:
    dark, spots = shade(color, 0.57), tint(color, 0.6)
    primitives = [
        ellipsoid((-0.08, 0, -0.30), (0.58, 0.56, 0.40), color, paint=Paint(dark, (-1.0, 0.0, 0.25), 0.06)),
        ellipsoid((0.20, 0, -0.36), (0.40, 0.44, 0.32), CREAM),
        ellipsoid((0.20, 0, 0.08), (0.46, 0.56, 0.32), color, paint=Paint(dark, (-1.0, 0.0, 0.2), 0.12)),
        ellipsoid((0.30, 0, -0.02), (0.41, 0.48, 0.22), CREAM),
        ellipsoid((0.32, 0, 0.02), (0.41, 0.47, 0.03), PINK),
        *pair(
            [
                ball((0.22, 0.34, 0.40), 0.20, color, backed(color, 0.0)),
                *eye((0.30, 0.36, 0.43), 0.155, (1.0, 0.2, 0.05)),
                ellipsoid((-0.22, 0.52, -0.48), (0.40, 0.18, 0.26), color, (0.3, 0.0, 1.0), backed(color, 0.05)),
                ellipsoid((0.16, 0.58, -0.72), (0.34, 0.16, 0.07), dark),
                limb((0.34, 0.34, -0.26), (0.48, 0.34, -0.76), 0.11, color),
                ellipsoid((0.56, 0.32, -0.73), (0.16, 0.13, 0.06), dark),
            ]
        ),
        ball((-0.40, 0.18, -0.02), 0.12, spots),
        ball((-0.52, -0.14, -0.18), 0.14, spots),
        ball((-0.54, 0.22, -0.34), 0.11, spots),
    ]
    return Figure(primitives, (0.16, 0, 0.36), 0.22, (0.14, 0, -0.14), 0.48)


def elephant(color: Color) -> Figure:
    dark = shade(color, 0.58)
    blanket = (0.90, 0.20, 0.25) if color[0] < 0.75 else (0.16, 0.30, 0.75)
    primitives = [
        ellipsoid((-0.22, 0, -0.10), (0.60, 0.46, 0.44), color, paint=Paint(dark, (-1.0, 0.0, 0.0), 0.28)),
        ellipsoid((-0.24, 0, 0.06), (0.32, 0.475, 0.32), blanket, paint=Paint(GOLD, (0, 0, -1), 0.02)),
        ball((0.40, 0, 0.24), 0.36, tint(color, 0.25), backed(color, 0.08)),
        *chain(
            [(0.72, 0, 0.14), (0.84, 0.02, -0.12), (0.86, 0.06, -0.36), (0.98, 0.10, -0.54), (1.12, 0.14, -0.52)],
            0.11,
            tint(color, 0.25),
        ),
        *pair(
            [
                ellipsoid((0.28, 0.50, 0.26), (0.07, 0.34, 0.38), color, paint=backed(color, 0.0)),
                ellipsoid((0.33, 0.50, 0.25), (0.05, 0.25, 0.29), PINK),
                *eye((0.68, 0.18, 0.34), 0.085, (1.0, 0.3, 0.0)),
                frustum((0.62, 0.20, 0.02), (0.92, 0.28, -0.14), 0.06, CREAM, 0.01),
                frustum((0.16, 0.25, -0.80), (0.14, 0.25, -0.20), 0.165, color),
                frustum((0.16, 0.25, -0.84), (0.16, 0.25, -0.78), 0.175, CREAM),
                frustum((-0.52, 0.25, -0.80), (-0.50, 0.25, -0.20), 0.175, color, paint=backed(color, 0.0)),
                frustum((-0.52, 0.25, -0.84), (-0.52, 0.25, -0.78), 0.185, CREAM),
            ]
        ),
        limb((-0.76, 0, 0.04), (-0.96, 0.14, -0.44), 0.045, dark),
        ball((-0.95, 0.14, -0.44), 0.09, BLACK),
    ]
    return Figure(primitives, (0.36, 0, 0.56), 0.22, (0.14, 0, 0.06), 0.42, (1.0, 0.0, 0.25))


def dinosaur(color: Color) -> Figure:
    dark = shade(color, 0.58)
    spike = shade(color, 0.18)
    primitives = [
        ellipsoid((-0.06, 0, -0.28), (0.42, 0.40, 0.50), color, (0.25, 0.0, 1.0), backed(color, 0.10)),
        ellipsoid((0.10, 0, -0.30), (0.32, 0.30, 0.42), CREAM, (0.25, 0.0, 1.0)),
        ellipsoid((0.24, 0, 0.42), (0.38, 0.34, 0.32), color, paint=backed(color, 0.12)),
        ellipsoid((0.48, 0, 0.32), (0.32, 0.28, 0.20), tint(color, 0.3)),
        ellipsoid((0.50, 0, 0.25), (0.32, 0.27, 0.035), PINK),
        *pair(
            [
                *eye((0.48, 0.22, 0.56), 0.11, (1.0, 0.35, 0.0)),
                ball((0.76, 0.09, 0.42), 0.03, BLACK),
                ball((0.74, 0.16, 0.24), 0.045, SNOW),
                limb((0.26, 0.28, -0.06), (0.56, 0.30, -0.26), 0.085, color),
                ellipsoid((0.02, 0.30, -0.62), (0.24, 0.17, 0.26), color, paint=backed(color, 0.04)),
                ellipsoid((0.14, 0.30, -0.86), (0.26, 0.15, 0.09), CREAM),
            ]
        ),
        frustum((-0.26, 0, -0.52), (-0.70, 0.10, -0.76), 0.28, dark, 0.14),
        frustum((-0.68, 0.10, -0.75), (-1.00, 0.34, -0.66), 0.145, dark, 0.0),
        *[
            frustum((x, 0, z), (x + dx, 0, z + dz), 0.15, spike, 0.0)
            for x, z, dx, dz in (
                (0.12, 0.66, -0.10, 0.30),
                (-0.08, 0.48, -0.28, 0.20),
                (-0.28, 0.10, -0.32, 0.12),
                (-0.42, -0.18, -0.32, 0.12),
                (-0.50, -0.44, -0.28, 0.18),
            )
        ],
    ]
    return Figure(primitives, (0.26, 0, 0.70), 0.2, (0.10, 0, 0.08), 0.30)
