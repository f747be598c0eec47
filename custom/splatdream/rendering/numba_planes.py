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


def _tile_copier(to_pixels):
    """The kernel that copies a tile's planes into its pixels, or the pixels into the planes."""

    @njit(inline="always", **JIT_OPTIONS)
    def move(state, place, pixels, at):
        if to_pixels:
            pixels[at] = state[place]
        else:
            state[place] = pixels[at]

    def run_copier(channels):
        @njit(inline="always", **JIT_OPTIONS)
        def copy_run(state, p, pixels, at):
            for pixel in range(BLOCK_WIDTH):
                for channel in range(channels):
                    place = p + np.uint64(pixel + channel * PLANE_SIZE)
                    move(state, place, pixels, at + np.uint64(pixel * channels + channel))

        return copy_run

    # With constant lengths a run is a dozen moves and no loop.
    copy_run_of_1, copy_run_of_3, copy_run_of_4 = run_copier(1), run_copier(3), run_copier(4)

    @njit(**JIT_OPTIONS)
    def copy_tile(state, first, num_channels, pixels, first_pixel, width, columns, rows):
        for row in range(rows):
            begin = first_pixel + row * width
            if columns == TILE_WIDTH:
                for run in range(BLOCKS_X):
                    p = first + np.uint64(_run_offset(row, run))
                    at = np.uint64((begin + run * BLOCK_WIDTH) * num_channels)
                    if num_channels == 4:
                        copy_run_of_4(state, p, pixels, at)
                    elif num_channels == 3:
                        copy_run_of_3(state, p, pixels, at)
                    else:
                        copy_run_of_1(state, p, pixels, at)
                continue
            for column in range(columns):
                p = first + np.uint64(_run_offset(row, column // BLOCK_WIDTH) + column % BLOCK_WIDTH)
                for channel in range(num_channels):
                    at = np.uint64((begin + column) * num_channels + channel)
                    move(state, p + np.uint64(channel * PLANE_SIZE), pixels, at)

    return copy_tile


# Both take (state, first, num_channels, pixels, first_pixel, width, columns, rows): 1, 3 or 4 planes of state, one a
# channel, from `first` on; pixels, channels last; the tile's upper left pixel in an image that is `width` wide.
write_pixels = _tile_copier(to_pixels=True)
read_pixels = _tile_copier(to_pixels=False)


@njit(**JIT_OPTIONS)
def close_outside(columns, rows, state):
    """Sets the first plane, the transmittance, beyond the border of the image to 0: nothing goes on there."""
    for row in range(TILE_HEIGHT):
        for column in range(columns if row < rows else 0, TILE_WIDTH):
            state[_run_offset(row, column // BLOCK_WIDTH) + column % BLOCK_WIDTH] = _ZERO
