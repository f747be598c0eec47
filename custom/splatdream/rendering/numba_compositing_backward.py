"""Numba kernels: from the gradient of the pixels to the gradient of what the screen knows of each Gaussian.

The tile is composited again, front to back. With w_k the weight of Gaussian k at a pixel and q_k = d loss / d w_k
(its color and depth against the pixel's gradient), let S_k = sum_{j > k} w_j q_j: what lies behind k. Then

    alpha_k d loss / d alpha_k = w_k q_k - alpha_k S_k / (1 - alpha_k),

and S is the total minus what has been seen. log alpha is a quadratic in the distance to the center, so all screen
gradients are moments of that product over pixels: its sums with 1, dx, dx^2, dy, dx dy and dy^2.
"""

import numpy as np
from numba import njit

from .numba_binning import (
    BLUE,
    CENTER_X,
    CENTER_Y,
    DEPTH,
    GREEN,
    LOG2_OPACITY,
    LOG2_THRESHOLD,
    QUAD_XX,
    QUAD_XY,
    QUAD_YY,
    RED,
    TILE_HEIGHT,
    TILE_WIDTH,
)
from .numba_compositing import PADDED_WIDTH, reached_columns, reached_rows
from .numba_lanes import JIT_OPTIONS, LANES, exp2
from .signature import MAX_ALPHA, MIN_TRANSMITTANCE

# The planes of a tile, interleaved by row: transmittance, S, and the gradients of red, green, blue, depth, alpha.
_ROW = 7 * PADDED_WIDTH
STATE_SIZE = TILE_HEIGHT * _ROW

# What is summed over pixels for each Gaussian of each tile.
MOMENTS = 12
(SUM, SUM_X, SUM_XX, SUM_Y, SUM_XY, SUM_YY, TO_RED, TO_GREEN, TO_BLUE, TO_DEPTH, ABS_X, ABS_Y) = range(MOMENTS)
_CURRENT = MOMENTS  # behind the sums: the product of the step at hand

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_MAX_ALPHA = np.float32(MAX_ALPHA)
_MIN_TRANSMITTANCE = np.float32(MIN_TRANSMITTANCE)
# The conic from a record's QUAD_XX; QUAD_XY holds the mixed term twice.
_TO_CONIC = np.float32(-2 * np.log(2))


@njit(**{**JIT_OPTIONS, "fastmath": {"contract", "reassoc", "nsz"}})
def _sum_lanes(lanes, sums):
    """The sum of each group of LANES numbers."""
    for moment in range(MOMENTS):
        total = _ZERO
        for lane in range(LANES):
            total += lanes[moment * LANES + lane]
        sums[moment] = total


@njit(**JIT_OPTIONS)
def composite_tile_backward(  # noqa: PLR0915
    records, tile_list, first, last, x0, y0, columns, rows, absgrad, state, lanes, moments
):
    """Fills moments[first:last] from state, which holds T = 1, S = its total, and the pixels' gradients."""
    for index in range(first, last):
        record = records[tile_list[index]]
        center_x = record[CENTER_X] - np.float32(x0) - _HALF
        xx, xy, yy, log2_opacity = record[QUAD_XX], record[QUAD_XY], record[QUAD_YY], record[LOG2_OPACITY]
        red, green, blue, depth = record[RED], record[GREEN], record[BLUE], record[DEPTH]
        lanes[:] = _ZERO
        first_row, last_row = reached_rows(record, y0, rows)
        for row in range(first_row, last_row):
            dy = np.float32(y0 + row) + _HALF - record[CENTER_Y]
            x_factor = xy * dy
            constant = yy * dy * dy + log2_opacity
            first_column, last_column = reached_columns(record, dy, x0, columns)
            for column in range(first_column, last_column, LANES):
                base = row * _ROW + column
                dx0 = np.float32(column) - center_x
                for lane in range(LANES):
                    p = base + lane
                    dx = dx0 + np.float32(lane)
                    log2_alpha = (xx * dx + x_factor) * dx + constant
                    unclamped = exp2(log2_alpha)
                    alpha = min(unclamped, _MAX_ALPHA)
                    alpha = alpha if log2_alpha >= LOG2_THRESHOLD else _ZERO
                    before = state[p]
                    weight = before * alpha
                    after = before - weight
                    goes_on = after > _MIN_TRANSMITTANCE
                    weight = weight if goes_on else _ZERO
                    alpha = alpha if goes_on else _ZERO
                    state[p] = after if goes_on else -abs(before)
                    to_red = weight * state[p + 2 * PADDED_WIDTH]
                    to_green = weight * state[p + 3 * PADDED_WIDTH]
                    to_blue = weight * state[p + 4 * PADDED_WIDTH]
                    to_depth = weight * state[p + 5 * PADDED_WIDTH]
                    seen = to_red * red + to_green * green + to_blue * blue + to_depth * depth
                    seen += weight * state[p + 6 * PADDED_WIDTH]
                    behind = state[p + PADDED_WIDTH] - seen
                    state[p + PADDED_WIDTH] = behind
                    v = seen - alpha * behind / (_ONE - alpha)
                    v = v if unclamped <= _MAX_ALPHA else _ZERO
                    vx = v * dx
                    vy = v * dy
                    lanes[SUM * LANES + lane] += v
                    lanes[SUM_X * LANES + lane] += vx
                    lanes[SUM_XX * LANES + lane] += vx * dx
                    lanes[SUM_Y * LANES + lane] += vy
                    lanes[SUM_XY * LANES + lane] += vx * dy
                    lanes[SUM_YY * LANES + lane] += vy * dy
                    lanes[TO_RED * LANES + lane] += to_red
                    lanes[TO_GREEN * LANES + lane] += to_green
                    lanes[TO_BLUE * LANES + lane] += to_blue
                    lanes[TO_DEPTH * LANES + lane] += to_depth
                    lanes[_CURRENT * LANES + lane] = v
                if absgrad:
                    for lane in range(LANES):
                        dx = dx0 + np.float32(lane)
                        v = _TO_CONIC * lanes[_CURRENT * LANES + lane]
                        lanes[ABS_X * LANES + lane] += abs(v * (xx * dx + _HALF * xy * dy))
                        lanes[ABS_Y * LANES + lane] += abs(v * (_HALF * xy * dx + yy * dy))
        _sum_lanes(lanes, moments[index])


@njit(**JIT_OPTIONS)
def composite_tiles_backward(
    first_task,
    last_task,
    width,
    height,
    tiles_x,
    records,
    starts,
    lists,
    reached,
    planes,
    grad_planes,
    absgrad,
    moments,
):
    """Fills moments [pairs,12] of the tiles first_task..last_task-1 of all cameras, up to where each list was left."""
    state = np.empty(STATE_SIZE, np.float32)
    lanes = np.empty((MOMENTS + 1) * LANES, np.float32)
    tiles = (len(starts) - 1) // len(records)
    for task in range(first_task, last_task):
        camera, tile = task // tiles, task % tiles
        x0, y0 = tile % tiles_x * TILE_WIDTH, tile // tiles_x * TILE_HEIGHT
        columns, rows = min(TILE_WIDTH, width - x0), min(TILE_HEIGHT, height - y0)
        state[:] = _ZERO
        for row in range(rows):
            base = row * _ROW
            for column in range(columns):
                state[base + column] = _ONE
            for channel in range(5):
                for column in range(columns):
                    gradient = grad_planes[camera, channel, y0 + row, x0 + column]
                    state[base + (2 + channel) * PADDED_WIDTH + column] = gradient
                    state[base + PADDED_WIDTH + column] += gradient * planes[camera, channel, y0 + row, x0 + column]
        composite_tile_backward(
            records[camera], lists, starts[task], reached[task], x0, y0, columns, rows, absgrad, state, lanes, moments
        )


@njit(**JIT_OPTIONS)
def sum_over_tiles(camera, tiles, starts, lists, reached, moments, camera_moments):
    """Adds one camera's moments of all tiles, in the order of the tiles, into camera_moments [n,12]."""
    camera_moments[:] = _ZERO
    for task in range(camera * tiles, (camera + 1) * tiles):
        for index in range(starts[task], reached[task]):
            total = camera_moments[lists[index]]
            for moment in range(MOMENTS):
                total[moment] += moments[index, moment]


@njit(**JIT_OPTIONS)
def moments_to_gradients(
    first,
    last,
    ranks,
    camera_moments,
    conics,
    opacities,
    grad_means2d,
    grad_conics,
    grad_depths,
    grad_opacities,
    grad_colors,
    absgrad_means2d,
):
    """Fills the gradients of the Gaussians first..last-1 from camera_moments [C,n,12] and ranks [C,N].

    grad_colors is [C,N,3], or [1,N,3] where cameras share the colors; absgrad_means2d [C,N,2] may have no rows.
    """
    shares_colors = len(grad_colors) == 1
    for n in range(first, last):
        grad_opacity = _ZERO
        red, green, blue = _ZERO, _ZERO, _ZERO
        for c in range(len(ranks)):
            rank = ranks[c, n]
            if rank < 0:
                grad_means2d[c, n] = _ZERO
                grad_conics[c, n] = _ZERO
                grad_depths[c, n] = _ZERO
                if not shares_colors:
                    grad_colors[c, n] = _ZERO
                continue
            m = camera_moments[c, rank]
            xx, xy, yy = conics[c, n, 0], conics[c, n, 1], conics[c, n, 2]
            grad_means2d[c, n, 0] = xx * m[SUM_X] + xy * m[SUM_Y]
            grad_means2d[c, n, 1] = xy * m[SUM_X] + yy * m[SUM_Y]
            grad_conics[c, n, 0] = -_HALF * m[SUM_XX]
            grad_conics[c, n, 1] = -m[SUM_XY]
            grad_conics[c, n, 2] = -_HALF * m[SUM_YY]
            grad_depths[c, n] = m[TO_DEPTH]
            grad_opacity += m[SUM]
            if shares_colors:
                red, green, blue = red + m[TO_RED], green + m[TO_GREEN], blue + m[TO_BLUE]
            else:
                grad_colors[c, n, 0], grad_colors[c, n, 1], grad_colors[c, n, 2] = m[TO_RED], m[TO_GREEN], m[TO_BLUE]
            if len(absgrad_means2d) > 0:
                absgrad_means2d[c, n, 0], absgrad_means2d[c, n, 1] = m[ABS_X], m[ABS_Y]
        # d alpha / d opacity = alpha / opacity; a Gaussian of opacity 0 is not drawn.
        grad_opacities[n] = grad_opacity / opacities[n] if opacities[n] > _ZERO else _ZERO
        if shares_colors:
            grad_colors[0, n, 0], grad_colors[0, n, 1], grad_colors[0, n, 2] = red, green, blue
