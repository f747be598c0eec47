"""Numba kernels: rays to ellipsoids, boxes and frustums with light and paint, several rays a pixel.

A solid is a unit shape (the ball, the cube [-1, 1]^3, or what lies between two disks at z = -1 and z = 1) in local
coordinates of its own. A ray is o + t d with d reaching one unit forward, so that t is the depth along the camera's
axis in every coordinate system. A solid is tested only in the window of rays that its projection covers, row by row:
along a row, d changes by the same amount from ray to ray.

In double precision: a whisker's local origin is a hundred times its size away, and what is left of the difference of
squares decides whether a ray hits. Work is cut into bands of rows; no ray knows of another.

V views, S solids. Images have `rays` x `rays` rays a pixel; columns and rows of rays are counted over the image.
"""

import math

import numpy as np
from numba import njit

from .numba_lanes import JIT_OPTIONS

ELLIPSOID, BOX, FRUSTUM = range(3)
# Columns of the table of solids. The first nine are the linear part of world to local, row by row.
CENTER, TAPER, COLOR, PAINT_COLOR, PLANE, PERIOD, SOLID_SIZE = 9, 12, 13, 16, 19, 23, 24
BAND = 4
"""Rows of pixels that are traced together."""
_NEAR = 1e-3
_RIM = 1e-4  # of a disk, in which a point belongs to the disk and not to the side
# Columns of a solid as a view sees it: origin of all rays, then their direction = forward + x right + y down.
_ORIGIN, _FORWARD, _RIGHT, _DOWN, PLACED_SIZE = 0, 3, 6, 9, 12


def num_bands(height: int) -> int:
    """Of an image of that many rows of pixels."""
    return -(-height // BAND)


@njit(**JIT_OPTIONS)
def _window(kind, center, axes, bounds):
    """Fills bounds with the lowest and highest x and the lowest and highest y, at unit distance.

    They are infinite if the solid is not wholly in front of the camera.

    Args:
        center: in the camera's coordinates (OpenCV axes).
        axes: [3, 3], columns: half axes of the solid, likewise.
    """
    bounds[0], bounds[1], bounds[2], bounds[3] = -np.inf, np.inf, -np.inf, np.inf
    if kind == ELLIPSOID:
        # The outline by its dual conic c c^T - A A^T: x solves q22 x^2 - 2 q02 x + q00 = 0 at the tangents.
        q22 = center[2] * center[2] - axes[2, 0] ** 2 - axes[2, 1] ** 2 - axes[2, 2] ** 2
        if q22 <= 0 or center[2] <= _NEAR:
            return
        for i in range(2):
            q02, q00 = center[i] * center[2], center[i] * center[i]
            for j in range(3):
                q02 -= axes[i, j] * axes[2, j]
                q00 -= axes[i, j] * axes[i, j]
            root = math.sqrt(max(q02 * q02 - q22 * q00, 0.0))
            bounds[2 * i], bounds[2 * i + 1] = (q02 - root) / q22, (q02 + root) / q22
        return
    # By the corners of the cube.
    nearest = center[2] - abs(axes[2, 0]) - abs(axes[2, 1]) - abs(axes[2, 2])
    if nearest <= _NEAR:
        return
    bounds[0], bounds[1], bounds[2], bounds[3] = np.inf, -np.inf, np.inf, -np.inf
    for corner in range(8):
        first, second, third = 2 * (corner & 1) - 1, (corner & 2) - 1, (corner & 4) // 2 - 1
        z = center[2] + first * axes[2, 0] + second * axes[2, 1] + third * axes[2, 2]
        for i in range(2):
            place = (center[i] + first * axes[i, 0] + second * axes[i, 1] + third * axes[i, 2]) / z
            bounds[2 * i] = min(bounds[2 * i], place)
            bounds[2 * i + 1] = max(bounds[2 * i + 1], place)


@njit(**JIT_OPTIONS)
def place_solids(kinds, solids, c2w, Ks, columns, rows, placed, windows):
    """Each solid as each view sees it.

    Args:
        kinds: [S].
        solids: [S, SOLID_SIZE].
        c2w: [V, 4, 4] camera to world, OpenGL axes.
        Ks: [V, 3, 3] intrinsics, in rays.
        columns, rows: of rays.
        placed: [V, S, PLACED_SIZE] filled with local origin, forward, right, down.
        windows: [V, S, 4] filled with first column, end of columns, first row, end of rows.
    """
    opencv, center, axes, bounds = np.empty((3, 3)), np.empty(3), np.empty((3, 3)), np.empty(4)
    for view in range(len(c2w)):
        for i in range(3):
            for j in range(3):
                opencv[i, j] = c2w[view, i, j] if j == 0 else -c2w[view, i, j]
        for s in range(len(kinds)):
            for i in range(3):
                center[i] = 0.0
                origin, stretch = 0.0, 0.0
                for k in range(3):
                    away = solids[s, CENTER + k] - c2w[view, k, 3]
                    center[i] += opencv[k, i] * away
                    origin -= solids[s, 3 * i + k] * away
                    stretch += solids[s, 3 * i + k] ** 2
                placed[view, s, _ORIGIN + i] = origin
                for j in range(3):
                    along = 0.0
                    for k in range(3):
                        along += solids[s, 3 * i + k] * opencv[k, j]
                    placed[view, s, _RIGHT + i if j == 0 else (_DOWN + i if j == 1 else _FORWARD + i)] = along
                    # A row of world to local is an axis divided by its half size, which is 1 / sqrt(stretch).
                    axes[j, i] = along / stretch
            _window(kinds[s], center, axes, bounds)
            for i in range(2):
                size = columns if i == 0 else rows
                focal, middle = Ks[view, i, i], Ks[view, i, 2]
                # Ray j is at j + 0.5; the slack keeps those that graze.
                low = math.ceil(min(max(bounds[2 * i] * focal + middle - 0.501, 0.0), size))
                high = math.floor(min(max(bounds[2 * i + 1] * focal + middle + 0.501, 0.0), size))
                windows[view, s, 2 * i], windows[view, s, 2 * i + 1] = low, high


@njit(**JIT_OPTIONS)
def _hit_ellipsoid(owner, depths, owners, origin, first, change):
    """Along a row |o + t d|^2 = 1 has coefficients that are polynomials of the step."""
    a0, a1, a2, b0, b1, c = 0.0, 0.0, 0.0, 0.0, 0.0, -1.0
    for i in range(3):
        a0 += first[i] * first[i]
        a1 += 2 * first[i] * change[i]
        a2 += change[i] * change[i]
        b0 += origin[i] * first[i]
        b1 += origin[i] * change[i]
        c += origin[i] * origin[i]
    if c <= 0:
        return  # from inside, the near side is behind
    low, high = 0, len(depths) - 1
    # b^2 - a c is a quadratic of the step: its roots bound the rays that hit.
    q0, q1, q2 = b0 * b0 - a0 * c, b0 * b1 - 0.5 * a1 * c, b1 * b1 - a2 * c
    if q2 < 0:
        inner = q1 * q1 - q0 * q2
        if inner < 0:
            return
        root = math.sqrt(inner)
        low = math.ceil(min(max((-q1 + root) / q2, 0.0), len(depths)))
        high = math.floor(min((-q1 - root) / q2, high))
    for step in range(low, high + 1):
        u = float(step)
        half_b = b0 + b1 * u
        a = a0 + u * (a1 + u * a2)
        # Not a number where the ray misses, and so no hit.
        depth = (-half_b - math.sqrt(half_b * half_b - a * c)) / a
        at = np.uint64(step)
        is_hit = (depth > _NEAR) & (depth < depths[at])
        depths[at] = depth if is_hit else depths[at]
        owners[at] = owner if is_hit else owners[at]


@njit(inline="always", **JIT_OPTIONS)
def _not_zero(x):
    return 1e-9 if abs(x) < 1e-9 else x


@njit(**JIT_OPTIONS)
def _hit_box(owner, depths, owners, origin, first, change):
    """By slabs."""
    for step in range(len(depths)):
        u = float(step)
        x = 1 / _not_zero(first[0] + u * change[0])
        y = 1 / _not_zero(first[1] + u * change[1])
        z = 1 / _not_zero(first[2] + u * change[2])
        depth = max(-origin[0] * x - abs(x), -origin[1] * y - abs(y), -origin[2] * z - abs(z))
        end = min(-origin[0] * x + abs(x), -origin[1] * y + abs(y), -origin[2] * z + abs(z))
        at = np.uint64(step)
        is_hit = (depth <= end) & (depth > _NEAR) & (depth < depths[at])
        depths[at] = depth if is_hit else depths[at]
        owners[at] = owner if is_hit else owners[at]


@njit(inline="always", **JIT_OPTIONS)
def _radius(taper, z):
    """Of the unit frustum at local height z: 1 at z = -1, the taper at z = 1."""
    return 0.5 * (1 + taper) + 0.5 * (taper - 1) * z


@njit(**JIT_OPTIONS)
def _hit_frustum(taper, owner, depths, owners, origin, first, change):
    """The nearest of two hits of the side and two of the disks."""
    radius, slope = _radius(taper, origin[2]), 0.5 * (taper - 1)
    c = origin[0] * origin[0] + origin[1] * origin[1] - radius * radius
    for step in range(len(depths)):
        u = float(step)
        x, y, z = first[0] + u * change[0], first[1] + u * change[1], first[2] + u * change[2]
        a = _not_zero(x * x + y * y - slope * slope * z * z)
        b = origin[0] * x + origin[1] * y - radius * slope * z
        # Not a number where the line misses the cone, and so no hit.
        root = math.sqrt(b * b - a * c)
        near, far = (-b - root) / a, (-b + root) / a
        z = _not_zero(z)
        bottom, top = (-1 - origin[2]) / z, (1 - origin[2]) / z
        bottom_x, bottom_y = origin[0] + bottom * x, origin[1] + bottom * y
        top_x, top_y = origin[0] + top * x, origin[1] + top * y
        depth = np.inf
        depth = near if (abs(origin[2] + near * z) <= 1) & (near > _NEAR) else depth
        depth = far if (abs(origin[2] + far * z) <= 1) & (far > _NEAR) & (far < depth) else depth
        in_bottom = (bottom_x * bottom_x + bottom_y * bottom_y <= 1) & (bottom > _NEAR) & (bottom < depth)
        depth = bottom if in_bottom else depth
        in_top = (top_x * top_x + top_y * top_y <= taper * taper) & (top > _NEAR) & (top < depth)
        depth = top if in_top else depth
        at = np.uint64(step)
        is_hit = depth < depths[at]
        depths[at] = depth if is_hit else depths[at]
        owners[at] = owner if is_hit else owners[at]


@njit(**JIT_OPTIONS)
def _direction(placed, K, column, row, direction):
    """Fills the local direction of the ray at a column and a row."""
    x, y = (column + 0.5 - K[0, 2]) / K[0, 0], (row + 0.5 - K[1, 2]) / K[1, 1]
    for i in range(3):
        direction[i] = placed[_FORWARD + i] + x * placed[_RIGHT + i] + y * placed[_DOWN + i]


@njit(**JIT_OPTIONS)
def _nearest_in_band(kinds, solids, placed, windows, K, first_row, end_row, depths, owners):
    """Fills depths (infinite where a ray misses) and owners [rows, columns] of the rows of rays of a band."""
    depths[:], owners[:] = np.inf, -1
    first, change = np.empty(3), np.empty(3)
    for s in range(len(kinds)):
        left, right = windows[s, 0], windows[s, 1]
        if left >= right:
            continue
        for i in range(3):
            change[i] = placed[s, _RIGHT + i] / K[0, 0]
        origin = placed[s, _ORIGIN : _ORIGIN + 3]
        for row in range(max(first_row, windows[s, 2]), min(end_row, windows[s, 3])):
            _direction(placed[s], K, left, row, first)
            row_depths, row_owners = depths[row - first_row, left:right], owners[row - first_row, left:right]
            if kinds[s] == ELLIPSOID:
                _hit_ellipsoid(s, row_depths, row_owners, origin, first, change)
            elif kinds[s] == BOX:
                _hit_box(s, row_depths, row_owners, origin, first, change)
            else:
                _hit_frustum(solids[s, TAPER], s, row_depths, row_owners, origin, first, change)


@njit(**JIT_OPTIONS)
def _world_normal(kind, solid, point, normal):
    """Fills the outward unit normal, in the world, at a local point of the surface."""
    x, y, z = point[0], point[1], point[2]
    if kind == BOX:
        largest = max(abs(x), abs(y), abs(z))
        x = math.copysign(1.0, x) if abs(x) >= largest else 0.0
        y = math.copysign(1.0, y) if abs(y) >= largest else 0.0
        z = math.copysign(1.0, z) if abs(z) >= largest else 0.0
    elif kind == FRUSTUM:
        if abs(z) > 1 - _RIM:
            x, y = 0.0, 0.0
        else:
            z = 0.5 * (1 - solid[TAPER]) * _radius(solid[TAPER], z)
    squares = 0.0
    for i in range(3):
        normal[i] = solid[i] * x + solid[3 + i] * y + solid[6 + i] * z
        squares += normal[i] * normal[i]
    length = max(math.sqrt(squares), 1e-12)
    for i in range(3):
        normal[i] /= length


@njit(**JIT_OPTIONS)
def trace_bands(first, last, kinds, solids, placed, windows, Ks, rays, light, ambient, rgba, depths, normals):
    """Images of the bands first to last; band b is band b % num_bands of view b // num_bands.

    Args:
        light: [3] unit vector toward it, in the world.
        ambient: share of its color that a surface keeps when it faces away from the light.
        rgba: [V, height, width, 4] filled with colors, premultiplied by coverage, and coverage.
        depths, normals: [V, height, width] and [V, height, width, 3] filled with depth and unit world normal of the
            last ray of a pixel, 0 where it misses; nothing is filled where V is 0.
    """
    height, width = rgba.shape[1:3]
    bands = -(-height // BAND)
    nearest = np.empty((BAND * rays, width * rays))
    owners = np.empty((BAND * rays, width * rays), np.int64)
    direction, point, normal, total = np.empty(3), np.empty(3), np.empty(3), np.empty(4)
    for band in range(first, last):
        view, top = band // bands, (band % bands) * BAND
        bottom = min(top + BAND, height)
        K = Ks[view]
        _nearest_in_band(kinds, solids, placed[view], windows[view], K, top * rays, bottom * rays, nearest, owners)
        for row in range(top, bottom):
            for column in range(width):
                total[:] = 0.0
                for sample in range(rays * rays):
                    fine_row, fine_column = row * rays + sample // rays, column * rays + sample % rays
                    s = owners[fine_row - top * rays, fine_column]
                    depth = nearest[fine_row - top * rays, fine_column]
                    if s < 0:
                        depth = 0.0
                        normal[:] = 0.0
                    else:
                        solid = solids[s]
                        _direction(placed[view, s], K, fine_column, fine_row, direction)
                        height_of_paint = -solid[PLANE + 3]
                        for i in range(3):
                            point[i] = placed[view, s, _ORIGIN + i] + depth * direction[i]
                            height_of_paint += point[i] * solid[PLANE + i]
                        _world_normal(kinds[s], solid, point, normal)
                        cosine = normal[0] * light[0] + normal[1] * light[1] + normal[2] * light[2]
                        # Half-Lambert light, (1 + cos) / 2 squared: soft, and never quite black.
                        brightness = ambient + (1 - ambient) * (0.5 + 0.5 * cosine) ** 2
                        period = solid[PERIOD]
                        in_period = height_of_paint - math.floor(height_of_paint / period) * period
                        color = PAINT_COLOR if in_period < 0.5 * period else COLOR
                        for i in range(3):
                            total[i] += brightness * solid[color + i]
                        total[3] += 1.0
                for i in range(4):
                    rgba[view, row, column, i] = total[i] / (rays * rays)
                if len(depths) > 0:
                    depths[view, row, column] = depth
                    for i in range(3):
                        normals[view, row, column, i] = normal[i]
