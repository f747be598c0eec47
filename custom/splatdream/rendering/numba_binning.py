"""Numba kernels: which Gaussians touch which tile, in the order of depth.

Tiles are large (TILE_WIDTH x TILE_HEIGHT pixels): a tile is one independent piece of work whose pixels fit in the
innermost cache, not a filter. Which pixels of a tile a Gaussian reaches is found row by row when it is composited.

N Gaussians, n of them drawn by a camera; rank = position in the order of depth.
"""

import math

import numpy as np
from numba import njit

from .numba_lanes import JIT_OPTIONS, LOG2_E
from .signature import ALPHA_THRESHOLD

TILE_WIDTH = 32
TILE_HEIGHT = 32
_LOG_TILE_WIDTH, _LOG_TILE_HEIGHT = TILE_WIDTH.bit_length() - 1, TILE_HEIGHT.bit_length() - 1

# A record is one cache line of float32: everything compositing needs to know of one Gaussian.
RECORD_SIZE = 16
(
    CENTER_X,
    CENTER_Y,
    QUAD_XX,  # log2 alpha = QUAD_XX dx^2 + QUAD_XY dx dy + QUAD_YY dy^2 + LOG2_OPACITY
    QUAD_XY,
    QUAD_YY,
    LOG2_OPACITY,
    RED,
    GREEN,
    BLUE,
    DEPTH,
    REACH_Y,  # no pixel farther than this from CENTER_Y, in rows, is reached
    ROW_SHIFT,  # the reached part of row dy is centered on CENTER_X + ROW_SHIFT dy,
    ROW_SQUARE,  # and half as long as sqrt(ROW_SQUARE + ROW_SQUARE_SLOPE dy^2)
    ROW_SQUARE_SLOPE,
    REACH_X,
) = range(15)

LOG2_THRESHOLD = np.float32(math.log2(ALPHA_THRESHOLD))
_QUAD_SCALE = np.float32(-0.5 * LOG2_E)
_TWO = np.float32(2)
_FOUR = np.float32(4)
_HALF = np.float32(0.5)
_ZERO = np.float32(0)
_PER_BLOCK = np.float32(1 / 16)
_FAR = np.float32(1 << 24)  # pixels, beyond any image
_RADIX_BITS = 11
_BUCKETS = 1 << _RADIX_BITS


@njit(**JIT_OPTIONS)
def sort_by_depth(depths, radii, keys, swap, rank):
    """Fills rank [N] with each Gaussian's position, nearest first, and -1 where it is not drawn.

    Returns how many are drawn. Equal depths keep the order of the Gaussians. A radix sort of words that hold the depth
    above the id: the bits of positive floats order like integers. keys and swap [N] are scratch.
    """
    histogram = np.zeros((3, _BUCKETS), np.int32)
    mask = np.uint64(_BUCKETS - 1)
    n = 0
    for i in range(len(depths)):
        rank[i] = -1
        if radii[i, 0] > 0:
            key = np.uint64(np.float32(depths[i]).view(np.uint32))
            keys[n] = (key << np.uint64(32)) | np.uint64(i)
            n += 1
            for digit in range(3):
                histogram[digit, (key >> np.uint64(_RADIX_BITS * digit)) & mask] += 1
    for digit in range(3):
        start = 0
        for bucket in range(_BUCKETS):
            count = histogram[digit, bucket]
            histogram[digit, bucket] = start
            start += count
        shift = np.uint64(32 + _RADIX_BITS * digit)
        for i in range(n):
            key = keys[i]
            bucket = (key >> shift) & mask
            position = histogram[digit, bucket]
            histogram[digit, bucket] = position + 1
            swap[position] = key
        keys, swap = swap, keys
    for position in range(n):
        rank[keys[position] & np.uint64(0xFFFFFFFF)] = position
    return n


@njit(inline="always", **JIT_OPTIONS)
def _tile_range(center, reach, log_tile_size, num_tiles):
    """First and last+1 tile, along one axis, of the pixels within `reach` of `center`."""
    # Conversion to an integer cuts off the fraction; below zero it does not matter.
    first = np.int64(max(center - reach, _ZERO)) >> log_tile_size
    last = np.int64(min(max(center + reach, _ZERO), _FAR)) >> log_tile_size
    return first, min(last + 1, num_tiles)


@njit(**JIT_OPTIONS)
def write_records(means2d, conics, depths, radii, log2_opacities, colors, rank, records):
    """Fills records [n,16], in the order of depth, from arrays in the order of the Gaussians."""
    for i in range(len(rank)):
        if rank[i] < 0:
            continue
        record = records[rank[i]]
        a, b, c = conics[i, 0], conics[i, 1], conics[i, 2]
        xx, xy, yy = _QUAD_SCALE * a, _TWO * _QUAD_SCALE * b, _QUAD_SCALE * c
        record[CENTER_X], record[CENTER_Y] = means2d[i, 0], means2d[i, 1]
        record[QUAD_XX], record[QUAD_XY], record[QUAD_YY] = xx, xy, yy
        record[LOG2_OPACITY] = log2_opacities[i]
        record[RED], record[GREEN], record[BLUE] = colors[i, 0], colors[i, 1], colors[i, 2]
        record[DEPTH] = depths[i]
        record[REACH_X], record[REACH_Y] = radii[i, 0], radii[i, 1]
        # Where log2 alpha = threshold on row dy: a quadratic equation in dx.
        record[ROW_SHIFT] = -_HALF * xy / xx
        record[ROW_SQUARE] = (log2_opacities[i] - LOG2_THRESHOLD) / -xx
        record[ROW_SQUARE_SLOPE] = (xy * xy - _FOUR * xx * yy) / (_FOUR * xx * xx)


@njit(inline="always", **JIT_OPTIONS)
def _covered(center, reach, size):
    """Length of the part of 0..size, in pixels, that is within `reach` of `center`, and a block that it may share."""
    return max(min(center + reach, size) - max(center - reach, _ZERO), _ZERO) + _FOUR


@njit(**JIT_OPTIONS)
def count_tiles(records, n, tiles_x, tiles_y, counts):
    """Fills counts [tiles_y * tiles_x]: how many Gaussians touch each tile.

    Returns about how many blocks of 4 x 4 pixels the boxes round the Gaussians cover: the work of compositing them.
    """
    counts[:] = 0
    blocks = 0
    width, height = np.float32(tiles_x * TILE_WIDTH), np.float32(tiles_y * TILE_HEIGHT)
    for position in range(n):
        record = records[position]
        x0, x1 = _tile_range(record[CENTER_X], record[REACH_X], _LOG_TILE_WIDTH, tiles_x)
        y0, y1 = _tile_range(record[CENTER_Y], record[REACH_Y], _LOG_TILE_HEIGHT, tiles_y)
        covered_x = _covered(record[CENTER_X], record[REACH_X], width)
        covered_y = _covered(record[CENTER_Y], record[REACH_Y], height)
        blocks += np.int64(covered_x * covered_y * _PER_BLOCK)
        for y in range(y0, y1):
            for x in range(x0, x1):
                counts[y * tiles_x + x] += 1
    return blocks


@njit(**JIT_OPTIONS)
def _fill_tiles_of_camera(records, n, tiles_x, tiles_y, starts, lists):
    """Writes each tile's positions, nearest first, to lists[starts[tile]:]."""
    ends = starts.copy()
    for position in range(n):
        record = records[position]
        x0, x1 = _tile_range(record[CENTER_X], record[REACH_X], _LOG_TILE_WIDTH, tiles_x)
        y0, y1 = _tile_range(record[CENTER_Y], record[REACH_Y], _LOG_TILE_HEIGHT, tiles_y)
        for y in range(y0, y1):
            for x in range(x0, x1):
                tile = y * tiles_x + x
                lists[ends[tile]] = position
                ends[tile] += 1


@njit(**JIT_OPTIONS)
def bin_cameras(
    first,
    last,
    means2d,
    conics,
    depths,
    radii,
    log2_opacities,
    colors,
    tiles_x,
    tiles_y,
    ranks,
    records,
    counts,
    num_drawn,
    blocks,
):
    """The Gaussians of the cameras first..last-1, sorted into records [C,N,16] and counted by tile, [C, tiles].

    Fills num_drawn [C], ranks [C,N], and blocks [C] as `count_tiles` returns them. colors: [C,N,3], or [1,N,3] where
    cameras share them; log2_opacities [C,N] or [1,N] likewise.
    """
    scratch = np.empty((2, depths.shape[1]), np.uint64)
    for c in range(first, last):
        n = sort_by_depth(depths[c], radii[c], scratch[0], scratch[1], ranks[c])
        seen_opacities, seen_colors = log2_opacities[min(c, len(log2_opacities) - 1)], colors[min(c, len(colors) - 1)]
        write_records(means2d[c], conics[c], depths[c], radii[c], seen_opacities, seen_colors, ranks[c], records[c])
        num_drawn[c] = n
        blocks[c] = count_tiles(records[c], n, tiles_x, tiles_y, counts[c])


@njit(**JIT_OPTIONS)
def fill_tiles(first, last, records, num_drawn, tiles_x, tiles_y, starts, lists):
    """Fills the lists of all tiles of the cameras first..last-1; a list begins at its tile's place in starts."""
    tiles = tiles_x * tiles_y
    for c in range(first, last):
        mine = starts[c * tiles : (c + 1) * tiles]
        _fill_tiles_of_camera(records[c], num_drawn[c], tiles_x, tiles_y, mine, lists)
