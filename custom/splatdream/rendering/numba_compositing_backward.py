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
from .numba_compositing import (
    BATCH,
    BLOCK_LEFT,
    BLOCK_TOP,
    BLOCK_WIDTH,
    BLOCKS,
    aligned_floats,
    find_blocks,
    lowest_block,
    open_blocks,
    pixel_offset,
)
from .numba_lanes import JIT_OPTIONS, LANES, exp2
from .signature import MAX_ALPHA, MIN_TRANSMITTANCE

# What is kept of a block, plane after plane: transmittance, S, the gradients of red, green, blue, depth and alpha.
_BLOCK_SIZE = 7 * LANES
_BEHIND, _GRAD_RED, _GRAD_GREEN, _GRAD_BLUE, _GRAD_DEPTH, _GRAD_ALPHA = (
    np.uint64(plane * LANES) for plane in range(1, 7)
)

# What is summed over pixels for each Gaussian of each tile.
MOMENTS = 12
(SUM, SUM_X, SUM_XX, SUM_Y, SUM_XY, SUM_YY, TO_RED, TO_GREEN, TO_BLUE, TO_DEPTH, ABS_X, ABS_Y) = range(MOMENTS)
_CURRENT = MOMENTS  # behind the sums: the product of the step at hand
_LANES_SIZE = (MOMENTS + 1) * LANES

_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_MAX_ALPHA = np.float32(MAX_ALPHA)
_MIN_TRANSMITTANCE = np.float32(MIN_TRANSMITTANCE)
# The conic from a record's QUAD_XX; QUAD_XY holds the mixed term twice.
_TO_CONIC = np.float32(-2 * np.log(2))


# With reassociation, LLVM adds up lanes pairwise in registers; without, one after the other.
@njit(**{**JIT_OPTIONS, "fastmath": {"contract", "reassoc", "nsz"}})
def _sum_lanes(lanes, sums):
    """Fills sums [n,12] with the sums over the lanes of each moment."""
    for index in range(len(sums)):
        for moment in range(MOMENTS):
            base = index * _LANES_SIZE + moment * LANES
            total = _ZERO
            for lane in range(LANES):
                total += lanes[base + lane]
            sums[index, moment] = total


@njit(**JIT_OPTIONS)
def composite_tile_backward(records, tile_list, left, top, absgrad, state, block_sets, lanes, moments):  # noqa: PLR0915
    """Fills moments [n,12] of the n listed Gaussians from state: T = 1, S = its total, and the pixels' gradients."""
    still_open = open_blocks(state, _BLOCK_SIZE)
    for start in range(0, len(tile_list), BATCH):
        batch = tile_list[start : start + BATCH]
        find_blocks(records, batch, left, top, still_open, block_sets)
        lanes[:] = _ZERO
        for index in range(len(batch)):
            record, blocks = records[batch[index]], block_sets[index]
            row = np.uint64(index * _LANES_SIZE)
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
                    to_red = weight * state[p + _GRAD_RED]
                    to_green = weight * state[p + _GRAD_GREEN]
                    to_blue = weight * state[p + _GRAD_BLUE]
                    to_depth = weight * state[p + _GRAD_DEPTH]
                    seen = to_red * red + to_green * green + to_blue * blue + to_depth * depth
                    seen += weight * state[p + _GRAD_ALPHA]
                    behind = state[p + _BEHIND] - seen
                    state[p + _BEHIND] = behind
                    v = seen - alpha * behind / (_ONE - alpha)
                    v = v if unclamped <= _MAX_ALPHA else _ZERO
                    vx = v * dx
                    vy = v * dy
                    lanes[row + np.uint64(SUM * LANES + lane)] += v
                    lanes[row + np.uint64(SUM_X * LANES + lane)] += vx
                    lanes[row + np.uint64(SUM_XX * LANES + lane)] += vx * dx
                    lanes[row + np.uint64(SUM_Y * LANES + lane)] += vy
                    lanes[row + np.uint64(SUM_XY * LANES + lane)] += vx * dy
                    lanes[row + np.uint64(SUM_YY * LANES + lane)] += vy * dy
                    lanes[row + np.uint64(TO_RED * LANES + lane)] += to_red
                    lanes[row + np.uint64(TO_GREEN * LANES + lane)] += to_green
                    lanes[row + np.uint64(TO_BLUE * LANES + lane)] += to_blue
                    lanes[row + np.uint64(TO_DEPTH * LANES + lane)] += to_depth
                    lanes[row + np.uint64(_CURRENT * LANES + lane)] = v
                if absgrad:
                    for lane in range(LANES):
                        dx = dx0 + np.float32(lane % BLOCK_WIDTH)
                        dy = dy0 + np.float32(lane // BLOCK_WIDTH)
                        v = _TO_CONIC * lanes[row + np.uint64(_CURRENT * LANES + lane)]
                        lanes[row + np.uint64(ABS_X * LANES + lane)] += abs(v * (xx * dx + _HALF * xy * dy))
                        lanes[row + np.uint64(ABS_Y * LANES + lane)] += abs(v * (_HALF * xy * dx + yy * dy))
        _sum_lanes(lanes, moments[start : start + BATCH])
        still_open = open_blocks(state, _BLOCK_SIZE)


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
    state = aligned_floats(BLOCKS * _BLOCK_SIZE)
    lanes = aligned_floats(BATCH * _LANES_SIZE)
    block_sets = np.empty(BATCH, np.uint64)
    tiles = (len(starts) - 1) // len(records)
    for task in range(first_task, last_task):
        camera, tile = task // tiles, task % tiles
        x0, y0 = tile % tiles_x * TILE_WIDTH, tile // tiles_x * TILE_HEIGHT
        columns, rows = min(TILE_WIDTH, width - x0), min(TILE_HEIGHT, height - y0)
        state[:] = _ZERO
        for row in range(rows):
            for column in range(columns):
                p = pixel_offset(column, row, _BLOCK_SIZE)
                total = _ZERO
                for channel in range(5):
                    gradient = grad_planes[camera, channel, y0 + row, x0 + column]
                    state[p + (2 + channel) * LANES] = gradient
                    total += gradient * planes[camera, channel, y0 + row, x0 + column]
                state[p] = _ONE
                state[p + LANES] = total
        left, top = np.float32(x0) + _HALF, np.float32(y0) + _HALF
        pairs = slice(starts[task], reached[task])
        composite_tile_backward(
            records[camera], lists[pairs], left, top, absgrad, state, block_sets, lanes, moments[pairs]
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
