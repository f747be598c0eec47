"""Numba kernels: the pixels of a tile, from images to planes and back.

Images hold the channels of a pixel together, row after row. A tile that is worked on holds each channel in a plane of
its own, block after block, so that the pixels of a block are the lanes of one instruction.
"""

import numpy as np
from numba import njit

from .numba_binning import TILE_HEIGHT, TILE_WIDTH
from .numba_lanes import JIT_OPTIONS, LANES

BLOCK_WIDTH = 4
BLOCK_HEIGHT = LANES // BLOCK_WIDTH
BLOCKS_X = TILE_WIDTH // BLOCK_WIDTH
BLOCKS_Y = TILE_HEIGHT // BLOCK_HEIGHT
BLOCKS = BLOCKS_X * BLOCKS_Y
TILE_SIZE = BLOCKS * LANES
PLANE_SIZE = (
    TILE_SIZE + LANES
)  # not a whole number of pages: the processor confuses addresses that are equal but for it
_ZERO = np.float32(0)


@njit(inline="always", **JIT_OPTIONS)
def _run_offset(row, block_x):
    """Where the BLOCK_WIDTH pixels of a row of the tile that lie in one block begin in a plane."""
    block = (row // BLOCK_HEIGHT) * BLOCKS_X + block_x
    return block * LANES + (row % BLOCK_HEIGHT) * BLOCK_WIDTH


def _run_copiers(num_channels):
    """Copies one run, from planes to pixels and back: with constant lengths a dozen moves and no loop."""

    @njit(inline="always", **JIT_OPTIONS)
    def write_run(state, p, pixels, at):
        for pixel in range(BLOCK_WIDTH):
            for channel in range(num_channels):
                place = p + np.uint64(pixel + channel * PLANE_SIZE)
                pixels[at + np.uint64(pixel * num_channels + channel)] = state[place]

    @njit(inline="always", **JIT_OPTIONS)
    def read_run(pixels, at, state, p):
        for pixel in range(BLOCK_WIDTH):
            for channel in range(num_channels):
                place = p + np.uint64(pixel + channel * PLANE_SIZE)
                state[place] = pixels[at + np.uint64(pixel * num_channels + channel)]

    return write_run, read_run


_write_run_of_1, _read_run_of_1 = _run_copiers(1)
_write_run_of_3, _read_run_of_3 = _run_copiers(3)
_write_run_of_4, _read_run_of_4 = _run_copiers(4)


@njit(**JIT_OPTIONS)
def write_pixels(state, first, num_channels, pixels, first_pixel, width, columns, rows):
    """Copies the planes of state that begin at `first`, one a channel, into the pixels of a tile, channels last.

    num_channels: 1, 3 or 4.
    first_pixel: the tile's upper left pixel in an image that is `width` wide; the tile has columns x rows of them.
    """
    for row in range(rows):
        begin = first_pixel + row * width
        if columns == TILE_WIDTH:
            for run in range(BLOCKS_X):
                p = first + np.uint64(_run_offset(row, run))
                at = np.uint64((begin + run * BLOCK_WIDTH) * num_channels)
                if num_channels == 4:
                    _write_run_of_4(state, p, pixels, at)
                elif num_channels == 3:
                    _write_run_of_3(state, p, pixels, at)
                else:
                    _write_run_of_1(state, p, pixels, at)
            continue
        for column in range(columns):
            p = first + np.uint64(_run_offset(row, column // BLOCK_WIDTH) + column % BLOCK_WIDTH)
            for channel in range(num_channels):
                at = np.uint64((begin + column) * num_channels + channel)
                pixels[at] = state[p + np.uint64(channel * PLANE_SIZE)]


@njit(**JIT_OPTIONS)
def read_pixels(pixels, num_channels, first_pixel, width, columns, rows, state, first):
    """The way back of `write_pixels`."""
    for row in range(rows):
        begin = first_pixel + row * width
        if columns == TILE_WIDTH:
            for run in range(BLOCKS_X):
                p = first + np.uint64(_run_offset(row, run))
                at = np.uint64((begin + run * BLOCK_WIDTH) * num_channels)
                if num_channels == 4:
                    _read_run_of_4(pixels, at, state, p)
                elif num_channels == 3:
                    _read_run_of_3(pixels, at, state, p)
                else:
                    _read_run_of_1(pixels, at, state, p)
            continue
        for column in range(columns):
            p = first + np.uint64(_run_offset(row, column // BLOCK_WIDTH) + column % BLOCK_WIDTH)
            for channel in range(num_channels):
                at = np.uint64((begin + column) * num_channels + channel)
                state[p + np.uint64(channel * PLANE_SIZE)] = pixels[at]


@njit(**JIT_OPTIONS)
def close_outside(columns, rows, state):
    """Sets the first plane, the transmittance, beyond the border of the image to 0: nothing goes on there."""
    for row in range(TILE_HEIGHT):
        for column in range(columns if row < rows else 0, TILE_WIDTH):
            state[_run_offset(row, column // BLOCK_WIDTH) + column % BLOCK_WIDTH] = _ZERO
