"""Numba kernel: the Gaussians of one tile, front to back, onto its pixels.

For each Gaussian and each row that it reaches, the reached pixels are walked in steps of LANES. Pixels that a step
touches beyond the ellipse get alpha 0, so the innermost loop has no branch.

The transmittance of a pixel that has stopped is kept with a minus sign.
"""

import math

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
    REACH_Y,
    RED,
    ROW_SHIFT,
    ROW_SQUARE,
    ROW_SQUARE_SLOPE,
    TILE_HEIGHT,
    TILE_WIDTH,
)
from .numba_lanes import JIT_OPTIONS, LANES, exp2
from .signature import MAX_ALPHA, MIN_TRANSMITTANCE

PADDED_WIDTH = TILE_WIDTH + LANES  # a step may begin at the last pixel of a row
CHANNELS = 4  # red, green, blue, depth
# The planes of a tile, interleaved by row: transmittance, red, green, blue, depth.
_ROW = (CHANNELS + 1) * PADDED_WIDTH
STATE_SIZE = TILE_HEIGHT * _ROW
CHECK_EVERY = 32
"""Gaussians between two looks whether a tile still has a pixel that is not opaque."""

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_SLACK = np.float32(0.05)  # pixels; covers the rounding of the reach, pixels beyond it have alpha 0 anyway
_MAX_ALPHA = np.float32(MAX_ALPHA)
_MIN_TRANSMITTANCE = np.float32(MIN_TRANSMITTANCE)


@njit(inline="always", **JIT_OPTIONS)
def reached_rows(record, y0, rows):
    """First and last+1 row of the tile, whose top is y0, that a Gaussian may reach."""
    center = record[CENTER_Y] - np.float32(y0) - _HALF
    first = int(max(math.ceil(center - record[REACH_Y]), 0.0))
    last = int(min(math.floor(center + record[REACH_Y]), rows - 1.0))
    return first, last + 1


@njit(inline="always", **JIT_OPTIONS)
def reached_columns(record, dy, x0, columns):
    """First and last+1 column of the tile, whose left is x0, that a Gaussian reaches in the row at dy."""
    square = record[ROW_SQUARE] + record[ROW_SQUARE_SLOPE] * dy * dy
    half = math.sqrt(max(square, _ZERO)) + _SLACK
    center = record[CENTER_X] + record[ROW_SHIFT] * dy - np.float32(x0) - _HALF
    first = int(max(math.ceil(center - half), 0.0))
    last = int(min(math.floor(center + half), columns - 1.0))
    return first, last + 1


@njit(**JIT_OPTIONS)
def is_opaque(state, rows, row_size):
    """Whether every pixel of the tile has stopped."""
    largest = _ZERO
    for row in range(rows):
        for lane in range(TILE_WIDTH):
            largest = max(largest, state[row * row_size + lane])
    return largest <= _ZERO


@njit(**JIT_OPTIONS)
def composite_tile(records, tile_list, first, last, x0, y0, columns, rows, state):
    """Composites tile_list[first:last] into state; returns how far it came before the whole tile was opaque."""
    state[:] = _ZERO
    for row in range(rows):
        for column in range(columns):
            state[row * _ROW + column] = _ONE
    for index in range(first, last):
        record = records[tile_list[index]]
        center_x = record[CENTER_X] - np.float32(x0) - _HALF
        xx, log2_opacity = record[QUAD_XX], record[LOG2_OPACITY]
        red, green, blue, depth = record[RED], record[GREEN], record[BLUE], record[DEPTH]
        first_row, last_row = reached_rows(record, y0, rows)
        for row in range(first_row, last_row):
            dy = np.float32(y0 + row) + _HALF - record[CENTER_Y]
            x_factor = record[QUAD_XY] * dy
            constant = record[QUAD_YY] * dy * dy + log2_opacity
            first_column, last_column = reached_columns(record, dy, x0, columns)
            for column in range(first_column, last_column, LANES):
                base = row * _ROW + column
                dx0 = np.float32(column) - center_x
                for lane in range(LANES):
                    p = base + lane
                    dx = dx0 + np.float32(lane)
                    log2_alpha = (xx * dx + x_factor) * dx + constant
                    alpha = min(exp2(log2_alpha), _MAX_ALPHA)
                    alpha = alpha if log2_alpha >= LOG2_THRESHOLD else _ZERO
                    before = state[p]
                    weight = before * alpha
                    after = before - weight
                    goes_on = after > _MIN_TRANSMITTANCE
                    weight = weight if goes_on else _ZERO
                    state[p] = after if goes_on else -abs(before)
                    state[p + PADDED_WIDTH] += weight * red
                    state[p + 2 * PADDED_WIDTH] += weight * green
                    state[p + 3 * PADDED_WIDTH] += weight * blue
                    state[p + 4 * PADDED_WIDTH] += weight * depth
        if (index - first) % CHECK_EVERY == CHECK_EVERY - 1 and is_opaque(state, rows, _ROW):
            return index + 1
    return last


@njit(**JIT_OPTIONS)
def composite_tiles(first_task, last_task, width, height, tiles_x, records, starts, lists, reached, planes):
    """Composites the tiles first_task..last_task-1 of all cameras (camera-major) into planes [C,5,H,W].

    planes: red, green, blue, depth, alpha, without a background. reached [C * tiles]: where each list was left.
    """
    state = np.empty(STATE_SIZE, np.float32)
    tiles = (len(starts) - 1) // len(records)
    for task in range(first_task, last_task):
        camera, tile = task // tiles, task % tiles
        x0, y0 = tile % tiles_x * TILE_WIDTH, tile // tiles_x * TILE_HEIGHT
        columns, rows = min(TILE_WIDTH, width - x0), min(TILE_HEIGHT, height - y0)
        reached[task] = composite_tile(
            records[camera], lists, starts[task], starts[task + 1], x0, y0, columns, rows, state
        )
        for row in range(rows):
            for channel in range(CHANNELS):
                base = row * _ROW + (channel + 1) * PADDED_WIDTH
                for column in range(columns):
                    planes[camera, channel, y0 + row, x0 + column] = state[base + column]
            for column in range(columns):
                planes[camera, CHANNELS, y0 + row, x0 + column] = _ONE - abs(state[row * _ROW + column])
