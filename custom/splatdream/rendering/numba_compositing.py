"""Numba kernel: the Gaussians of one tile, front to back, onto its pixels.

A tile is 64 blocks of LANES pixels, so that a set of blocks is one 64-bit word. For each Gaussian the set of blocks
that its ellipse reaches is found first; then each of them is composited at once. Pixels of a block beyond the ellipse
get alpha 0, so the innermost loop has no branch.

The transmittance of a pixel that has stopped is kept with a minus sign.
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
    REACH_X,
    REACH_Y,
    RED,
    ROW_SHIFT,
    ROW_SQUARE,
    ROW_SQUARE_SLOPE,
    TILE_HEIGHT,
    TILE_WIDTH,
)
from .numba_lanes import JIT_OPTIONS, LANES, aligned_floats
from .numba_planes import (
    BLOCK_HEIGHT,
    BLOCK_WIDTH,
    BLOCKS,
    BLOCKS_X,
    BLOCKS_Y,
    PLANE_SIZE,
    TILE_SIZE,
    close_outside,
    write_pixels,
)
from .numba_vectors import at_most, exp2, is_any, load, lowest_bit, minus_absolute, select, store
from .signature import MAX_ALPHA, MIN_TRANSMITTANCE

BLOCK_LEFT = (np.arange(BLOCKS) % BLOCKS_X * BLOCK_WIDTH).astype(np.float32)
BLOCK_TOP = (np.arange(BLOCKS) // BLOCKS_X * BLOCK_HEIGHT).astype(np.float32)
LANE_X = (np.arange(LANES) % BLOCK_WIDTH).astype(np.float32)
LANE_Y = (np.arange(LANES) // BLOCK_WIDTH).astype(np.float32)
# What is kept of a tile, plane after plane: transmittance (at the end alpha), red, green, blue, depth. Unsigned, see
# numba_lanes.
_PLANES = 5
_ALPHA, _RED, _GREEN, _BLUE, _DEPTH = (np.uint64(plane * PLANE_SIZE) for plane in range(_PLANES))
BATCH = 16
"""Gaussians whose blocks are found together, before compositing them. After a batch, opaque blocks are closed."""

MIN_DEPTH_DIVISOR = np.float32(1e-10)  # gsplat's floor under alpha where depth is divided by it
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ALMOST_ONE = np.float32(1 - 2**-12)
_TILE_WIDTH = np.float32(TILE_WIDTH)
_LAST_COLUMN, _LAST_ROW = np.float32(TILE_WIDTH - 1), np.float32(TILE_HEIGHT - 1)
_ALL_BLOCKS = np.uint64(2**64 - 1)
_FIRST_COLUMN_OF_BLOCKS = np.uint64(sum(1 << (BLOCKS_X * row) for row in range(BLOCKS_Y)))
_INT_ZERO, _INT_ONE = np.int32(0), np.int32(1)
_FIRST, _BLOCK_SIZE = np.uint64(0), np.uint64(LANES)
_LOG_BLOCK_WIDTH, _BEFORE_BLOCK = np.int32(BLOCK_WIDTH.bit_length() - 1), np.int32(BLOCK_WIDTH - 1)

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
            dy = min(max(y + np.float32(row) - center_y, -reach_y), reach_y)
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


@njit(**JIT_OPTIONS)
def open_blocks(state):
    """The set of blocks that have a pixel that goes on."""
    result = np.uint64(0)
    for block in range(BLOCKS):
        k = np.uint64(block)
        result |= np.uint64(is_any(load(state, k * _BLOCK_SIZE) > _ZERO)) << k
    return result


@njit(inline="always", **JIT_OPTIONS)
def _box_of_blocks(record, left, top):
    """The set of blocks of the rectangle round a Gaussian: not exact, but quicker than `reached_blocks`."""
    center_x, center_y = record[CENTER_X] - left, record[CENTER_Y] - top
    reach_x, reach_y = record[REACH_X], record[REACH_Y]
    x0 = np.uint64(min(max(center_x - reach_x, _ZERO), _LAST_COLUMN)) // np.uint64(BLOCK_WIDTH)
    x1 = np.uint64(min(max(center_x + reach_x, _ZERO), _LAST_COLUMN)) // np.uint64(BLOCK_WIDTH)
    y0 = np.uint64(min(max(center_y - reach_y, _ZERO), _LAST_ROW)) // np.uint64(BLOCK_HEIGHT)
    y1 = np.uint64(min(max(center_y + reach_y, _ZERO), _LAST_ROW)) // np.uint64(BLOCK_HEIGHT)
    in_row = ((np.uint64(2) << x1) - (np.uint64(1) << x0)) * _FIRST_COLUMN_OF_BLOCKS
    above = _ALL_BLOCKS << (y0 * np.uint64(BLOCKS_X))
    below = _ALL_BLOCKS >> ((np.uint64(BLOCKS_Y - 1) - y1) * np.uint64(BLOCKS_X))
    return in_row & above & below


@njit(**JIT_OPTIONS)
def _find_blocks(records, lists, first, last, left, top, still_open, keep_at, block_sets):
    """Finds the open blocks that the Gaussians lists[first:last] reach, and keeps those that reach any.

    The kept ones move to lists[keep_at:], their blocks to block_sets[keep_at:]; returns how many.

    A loop of its own, because it hardly has a branch that depends on the Gaussian: the processor runs ahead through it.
    """
    kept = 0
    for index in range(first, last):
        rank = lists[index]
        record = records[rank]
        blocks = still_open
        # While all is open the box tells nothing; later it spares the exact test for most of what is hidden.
        if still_open == _ALL_BLOCKS or _box_of_blocks(record, left, top) & still_open != np.uint64(0):
            blocks = reached_blocks(record, left, top) & still_open
            lists[keep_at + kept] = rank
            block_sets[keep_at + kept] = blocks
            kept += blocks != np.uint64(0)
    return kept


@njit(**JIT_OPTIONS)
def composite_tile(records, lists, first, last, left, top, block_sets, state):
    """Composites the Gaussians lists[first:last] into state, until the whole tile is opaque.

    Those that matter are kept at the front of the list, with their blocks in block_sets; returns where they end.
    """
    lane_x, lane_y = load(LANE_X, _FIRST), load(LANE_Y, _FIRST)
    still_open = open_blocks(state)
    end = first
    for start in range(first, last, BATCH):
        kept = _find_blocks(records, lists, start, min(start + BATCH, last), left, top, still_open, end, block_sets)
        for pair in range(end, end + kept):
            record, blocks = records[lists[pair]], block_sets[pair]
            lane_dx, lane_dy = lane_x - (record[CENTER_X] - left), lane_y - (record[CENTER_Y] - top)
            xx, xy, yy, log2_opacity = record[QUAD_XX], record[QUAD_XY], record[QUAD_YY], record[LOG2_OPACITY]
            red, green, blue, depth = record[RED], record[GREEN], record[BLUE], record[DEPTH]
            while blocks:
                block = lowest_bit(blocks)
                blocks &= blocks - np.uint64(1)
                p = block * _BLOCK_SIZE
                dx, dy = lane_dx + BLOCK_LEFT[block], lane_dy + BLOCK_TOP[block]
                log2_alpha = (dx * xx + dy * xy) * dx + (dy * dy * yy + log2_opacity)
                alpha = select(log2_alpha >= LOG2_THRESHOLD, at_most(exp2(log2_alpha), _MAX_ALPHA), _ZERO)
                before = load(state, p)
                after = before - before * alpha
                goes_on = after > _MIN_TRANSMITTANCE
                weight = select(goes_on, before * alpha, _ZERO)
                store(state, p, select(goes_on, after, minus_absolute(before)))
                store(state, p + _RED, load(state, p + _RED) + weight * red)
                store(state, p + _GREEN, load(state, p + _GREEN) + weight * green)
                store(state, p + _BLUE, load(state, p + _BLUE) + weight * blue)
                store(state, p + _DEPTH, load(state, p + _DEPTH) + weight * depth)
        end += kept
        still_open = open_blocks(state)
        if not still_open:
            break
    return end


@njit(**JIT_OPTIONS)
def _finish_tile(background, is_expected_depth, state):
    """From what was composited to what an image holds: alpha instead of the transmittance, the background added."""
    red, green, blue = background
    for pixel in range(TILE_SIZE):
        p = np.uint64(pixel)
        transmittance = abs(state[p])
        alpha = _ONE - transmittance
        state[p] = alpha
        state[p + _RED] += transmittance * red
        state[p + _GREEN] += transmittance * green
        state[p + _BLUE] += transmittance * blue
        state[p + _DEPTH] /= max(alpha, MIN_DEPTH_DIVISOR) if is_expected_depth else _ONE


@njit(**JIT_OPTIONS)
def composite_tiles(
    first_task,
    last_task,
    tiles_x,
    records,
    starts,
    lists,
    ends,
    block_sets,
    backgrounds,
    has_rgb,
    has_depth,
    is_expected_depth,
    images,
    alphas,
):
    """Fills images [C,H,W,D] and alphas [C,H,W,1] in the tiles first_task..last_task-1 of all cameras (camera-major).

    Of each tile's list only what matters is kept: up to ends [C * tiles], with the blocks that it
    reaches in block_sets.
    """
    _, height, width, _ = images.shape
    flat_images, flat_alphas = images.reshape(-1), alphas.reshape(-1)
    num_channels, first_plane = 3 * has_rgb + has_depth, _RED if has_rgb else _DEPTH
    state = aligned_floats(_PLANES * PLANE_SIZE)
    tiles = len(ends) // len(records)
    for task in range(first_task, last_task):
        camera, tile = task // tiles, task % tiles
        x0, y0 = tile % tiles_x * TILE_WIDTH, tile // tiles_x * TILE_HEIGHT
        columns, rows = min(TILE_WIDTH, width - x0), min(TILE_HEIGHT, height - y0)
        state[:TILE_SIZE] = _ONE
        state[TILE_SIZE:] = _ZERO
        if columns < TILE_WIDTH or rows < TILE_HEIGHT:
            close_outside(columns, rows, state)
        left, top = np.float32(x0) + _HALF, np.float32(y0) + _HALF
        ends[task] = composite_tile(
            records[camera], lists, starts[task], starts[task + 1], left, top, block_sets, state
        )
        _finish_tile(backgrounds[camera], is_expected_depth, state)
        tile_pixels = ((camera * height + y0) * width + x0, width, columns, rows)
        write_pixels(state, _ALPHA, 1, flat_alphas, *tile_pixels)
        write_pixels(state, first_plane, num_channels, flat_images, *tile_pixels)
