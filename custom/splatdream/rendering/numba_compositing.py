"""Numba kernel: the Gaussians of one tile, front to back, onto its pixels.

A tile is 64 blocks of LANES pixels, so that a set of blocks is one 64-bit word. For each Gaussian the set of blocks that
its ellipse reaches is found first; then each of them is composited at once. Pixels of a block beyond the ellipse get
alpha 0, so the innermost loop has no branch.

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

BLOCK_WIDTH = 4
BLOCK_HEIGHT = LANES // BLOCK_WIDTH
BLOCKS_X = TILE_WIDTH // BLOCK_WIDTH
BLOCKS_Y = TILE_HEIGHT // BLOCK_HEIGHT
BLOCKS = BLOCKS_X * BLOCKS_Y
BLOCK_LEFT = (np.arange(BLOCKS) % BLOCKS_X * BLOCK_WIDTH).astype(np.float32)
BLOCK_TOP = (np.arange(BLOCKS) // BLOCKS_X * BLOCK_HEIGHT).astype(np.float32)
CHANNELS = 4  # red, green, blue, depth
# What is kept of a block, plane after plane: transmittance, red, green, blue, depth. Unsigned, see numba_lanes.
_BLOCK_SIZE = (CHANNELS + 1) * LANES
_RED, _GREEN, _BLUE, _DEPTH = (np.uint64(plane * LANES) for plane in range(1, CHANNELS + 1))
BATCH = 16
"""Gaussians whose blocks are found together, before compositing them. After a batch, opaque blocks are closed."""

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ALMOST_ONE = np.float32(1 - 2**-12)
_TILE_WIDTH = np.float32(TILE_WIDTH)
_INT_ZERO, _INT_ONE = np.int32(0), np.int32(1)
_LOG_BLOCK_WIDTH, _BEFORE_BLOCK = np.int32(BLOCK_WIDTH.bit_length() - 1), np.int32(BLOCK_WIDTH - 1)

# A word of which all 64 windows of 6 bits differ: multiplied by 2^k its top bits tell k.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_POSITION_OF_BIT = np.empty(64, np.uint8)
for _bit in range(64):
    _POSITION_OF_BIT[(int(_DE_BRUIJN) << _bit) % 2**64 >> 58] = _bit
_ZERO = np.float32(0)
_SLACK = np.float32(0.02)  # pixels; covers the rounding of the reach, pixels beyond it have alpha 0 anyway
_MAX_ALPHA = np.float32(MAX_ALPHA)
_MIN_TRANSMITTANCE = np.float32(MIN_TRANSMITTANCE)


@njit(inline="always", **JIT_OPTIONS)
def reached_blocks(record, left, top):
    """The set of blocks that the ellipse of a Gaussian reaches, of the tile whose first pixel center is (left, top)."""
    center_x, center_y, reach_y = record[CENTER_X] - left, record[CENTER_Y] - top, record[REACH_Y]
    shift, square, slope = record[ROW_SHIFT], record[ROW_SQUARE], record[ROW_SQUARE_SLOPE]
    low_y, high_y = center_y - reach_y, center_y + reach_y
    reached = np.uint64(0)
    for block_y in range(BLOCKS_Y):
        # What the ellipse covers of the block's rows of pixels is between these two columns.
        first, last = np.float32(TILE_WIDTH), -_ONE
        y = np.float32(block_y * BLOCK_HEIGHT)
        for row in range(BLOCK_HEIGHT):
            dy = y + np.float32(row) - center_y
            half = np.sqrt(max(square + slope * dy * dy, _ZERO)) + _SLACK
            middle = center_x + shift * dy
            first, last = min(first, middle - half), max(last, middle + half)
        # Conversion to an integer cuts off the fraction: ceil and floor without calls into libm.
        first_column = np.int32(min(max(first + _ALMOST_ONE, _ZERO), _TILE_WIDTH))
        end_column = np.int32(min(max(last + _ONE, _ZERO), _TILE_WIDTH))
        is_reached = (y <= high_y) & (y + np.float32(BLOCK_HEIGHT - 1) >= low_y) & (end_column > first_column)
        first_block = first_column >> _LOG_BLOCK_WIDTH
        end_block = (end_column + _BEFORE_BLOCK) >> _LOG_BLOCK_WIDTH
        in_row = np.uint64((_INT_ONE << end_block) - (_INT_ONE << first_block) if is_reached else _INT_ZERO)
        reached |= in_row << np.uint64(block_y * BLOCKS_X)
    return reached


@njit(inline="always", **JIT_OPTIONS)
def lowest_block(blocks):
    """The first block of a set that is not empty."""
    lowest = blocks & (~blocks + np.uint64(1))
    return _POSITION_OF_BIT[(lowest * _DE_BRUIJN) >> np.uint64(58)]


@njit(**JIT_OPTIONS)
def open_blocks(state, block_size):
    """The set of blocks that have a pixel that goes on."""
    result = np.uint64(0)
    for block in range(BLOCKS):
        largest = _ZERO
        for lane in range(LANES):
            largest = max(largest, state[block * block_size + lane])
        result |= np.uint64(largest > _ZERO) << np.uint64(block)
    return result


@njit(**JIT_OPTIONS)
def find_blocks(records, batch, left, top, still_open, block_sets):
    """Fills block_sets with the open blocks that each Gaussian of the batch reaches.

    A loop of its own, because it has no branch that depends on the Gaussian: the processor runs ahead through it.
    """
    for index in range(len(batch)):
        block_sets[index] = reached_blocks(records[batch[index]], left, top) & still_open


@njit(**JIT_OPTIONS)
def composite_tile(records, tile_list, left, top, state, block_sets):
    """Composites the listed Gaussians into state; returns how many were done before the whole tile was opaque."""
    still_open = open_blocks(state, _BLOCK_SIZE)
    for start in range(0, len(tile_list), BATCH):
        batch = tile_list[start : start + BATCH]
        find_blocks(records, batch, left, top, still_open, block_sets)
        for index in range(len(batch)):
            record, blocks = records[batch[index]], block_sets[index]
            center_x, center_y = record[CENTER_X] - left, record[CENTER_Y] - top
            xx, xy, yy, log2_opacity = record[QUAD_XX], record[QUAD_XY], record[QUAD_YY], record[LOG2_OPACITY]
            red, green, blue, depth = record[RED], record[GREEN], record[BLUE], record[DEPTH]
            while blocks:
                block = lowest_block(blocks)
                blocks &= blocks - np.uint64(1)
                base = np.uint64(block * _BLOCK_SIZE)
                dx0, dy0 = BLOCK_LEFT[block] - center_x, BLOCK_TOP[block] - center_y
                for lane in range(LANES):
                    p = base + np.uint64(lane)
                    dx = dx0 + np.float32(lane % BLOCK_WIDTH)
                    dy = dy0 + np.float32(lane // BLOCK_WIDTH)
                    log2_alpha = (xx * dx + xy * dy) * dx + (yy * dy * dy + log2_opacity)
                    alpha = min(exp2(log2_alpha), _MAX_ALPHA)
                    alpha = alpha if log2_alpha >= LOG2_THRESHOLD else _ZERO
                    before = state[p]
                    weight = before * alpha
                    after = before - weight
                    goes_on = after > _MIN_TRANSMITTANCE
                    weight = weight if goes_on else _ZERO
                    state[p] = after if goes_on else -abs(before)
                    state[p + _RED] += weight * red
                    state[p + _GREEN] += weight * green
                    state[p + _BLUE] += weight * blue
                    state[p + _DEPTH] += weight * depth
        still_open = open_blocks(state, _BLOCK_SIZE)
        if not still_open:
            return min(start + BATCH, len(tile_list))
    return len(tile_list)


@njit(inline="always", **JIT_OPTIONS)
def pixel_offset(column, row, block_size):
    """Where the pixel of a tile is in its state."""
    block = row // BLOCK_HEIGHT * BLOCKS_X + column // BLOCK_WIDTH
    return block * block_size + row % BLOCK_HEIGHT * BLOCK_WIDTH + column % BLOCK_WIDTH


@njit(inline="always", **JIT_OPTIONS)
def aligned_floats(size):
    """An uninitialized float32 array that begins at a cache line, so that no block's plane straddles two."""
    array = np.empty(size + LANES, np.float32)
    skip = (-array.ctypes.data % 64) // 4
    return array[skip : skip + size]


@njit(**JIT_OPTIONS)
def composite_tiles(first_task, last_task, width, height, tiles_x, records, starts, lists, reached, planes):
    """Composites the tiles first_task..last_task-1 of all cameras (camera-major) into planes [C,5,H,W].

    planes: red, green, blue, depth, alpha, without a background. reached [C * tiles]: where each list was left.
    """
    state = aligned_floats(BLOCKS * _BLOCK_SIZE)
    block_sets = np.empty(BATCH, np.uint64)
    tiles = (len(starts) - 1) // len(records)
    for task in range(first_task, last_task):
        camera, tile = task // tiles, task % tiles
        x0, y0 = tile % tiles_x * TILE_WIDTH, tile // tiles_x * TILE_HEIGHT
        columns, rows = min(TILE_WIDTH, width - x0), min(TILE_HEIGHT, height - y0)
        state[:] = _ZERO
        for row in range(rows):
            for column in range(columns):
                state[pixel_offset(column, row, _BLOCK_SIZE)] = _ONE
        left, top = np.float32(x0) + _HALF, np.float32(y0) + _HALF
        tile_list = lists[starts[task] : starts[task + 1]]
        reached[task] = starts[task] + composite_tile(records[camera], tile_list, left, top, state, block_sets)
        for row in range(rows):
            for column in range(columns):
                p = pixel_offset(column, row, _BLOCK_SIZE)
                for channel in range(CHANNELS):
                    planes[camera, channel, y0 + row, x0 + column] = state[p + (channel + 1) * LANES]
                planes[camera, CHANNELS, y0 + row, x0 + column] = _ONE - abs(state[p])
