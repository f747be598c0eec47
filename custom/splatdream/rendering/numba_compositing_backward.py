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
from .numba_compositing import BLOCK_LEFT, BLOCK_TOP, LANE_X, LANE_Y, MIN_DEPTH_DIVISOR
from .numba_lanes import JIT_OPTIONS, LANES, aligned_floats
from .numba_planes import PLANE_SIZE, TILE_SIZE, close_outside, read_pixels
from .numba_vectors import (
    absolute,
    at_most,
    exp2,
    lanes_of,
    load,
    lowest_bit,
    minus_absolute,
    select,
    store,
    store_sums,
)
from .signature import MAX_ALPHA, MIN_TRANSMITTANCE

# What is kept of a tile, plane after plane: transmittance, S, the gradients of red, green, blue, depth and alpha. The
# image itself is needed at the start only.
_PLANES = 12
_BEHIND, _GRAD_RED, _GRAD_GREEN, _GRAD_BLUE, _GRAD_DEPTH, _GRAD_ALPHA, _RED, _GREEN, _BLUE, _DEPTH, _ALPHA = (
    np.uint64(plane * PLANE_SIZE) for plane in range(1, _PLANES)
)

# What is summed over pixels for each Gaussian of each tile.
(SUM, SUM_X, SUM_XX, SUM_Y, SUM_XY, SUM_YY, TO_RED, TO_GREEN, TO_BLUE, TO_DEPTH, WEIGHT, ABS_X, ABS_Y) = range(13)
ROW = 16
"""Length of a row of them: one cache line."""

_FIRST, _BLOCK_SIZE = np.uint64(0), np.uint64(LANES)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_MAX_ALPHA = np.float32(MAX_ALPHA)
_MIN_TRANSMITTANCE = np.float32(MIN_TRANSMITTANCE)
# The conic from a record's QUAD_XX, but for its sign; QUAD_XY holds the mixed term twice.
_TO_CONIC = np.float32(2 * np.log(2))


@njit(**JIT_OPTIONS)
def composite_tile_backward(records, lists, block_sets, first, last, left, top, absgrad, state, moments):
    """Fills the rows first..last-1 of moments. state holds T = 1, S = its total, and the pixels' gradients."""
    lane_x, lane_y, nothing = load(LANE_X, _FIRST), load(LANE_Y, _FIRST), lanes_of(_ZERO)
    for pair in range(first, last):
        record, blocks = records[lists[pair]], block_sets[pair]
        lane_dx, lane_dy = lane_x - (record[CENTER_X] - left), lane_y - (record[CENTER_Y] - top)
        xx, xy, yy, log2_opacity = record[QUAD_XX], record[QUAD_XY], record[QUAD_YY], record[LOG2_OPACITY]
        red, green, blue, depth = record[RED], record[GREEN], record[BLUE], record[DEPTH]
        v_1 = v_x = v_xx = v_y = v_xy = v_yy = nothing
        to_red = to_green = to_blue = to_depth = weights = abs_x = abs_y = nothing
        while blocks:
            block = lowest_bit(blocks)
            blocks &= blocks - np.uint64(1)
            p = block * _BLOCK_SIZE
            dx, dy = lane_dx + BLOCK_LEFT[block], lane_dy + BLOCK_TOP[block]
            log2_alpha = (dx * xx + dy * xy) * dx + (dy * dy * yy + log2_opacity)
            unclamped = exp2(log2_alpha)
            alpha = select(log2_alpha >= LOG2_THRESHOLD, at_most(unclamped, _MAX_ALPHA), _ZERO)
            before = load(state, p)
            after = before - before * alpha
            goes_on = after > _MIN_TRANSMITTANCE
            alpha = select(goes_on, alpha, _ZERO)
            weight = before * alpha
            store(state, p, select(goes_on, after, minus_absolute(before)))
            grad_red, grad_green = load(state, p + _GRAD_RED), load(state, p + _GRAD_GREEN)
            grad_blue, grad_depth = load(state, p + _GRAD_BLUE), load(state, p + _GRAD_DEPTH)
            to_red += weight * grad_red
            to_green += weight * grad_green
            to_blue += weight * grad_blue
            to_depth += weight * grad_depth
            weights += weight
            q = grad_red * red + (
                grad_green * green + (grad_blue * blue + (grad_depth * depth + load(state, p + _GRAD_ALPHA)))
            )
            seen = weight * q
            behind = load(state, p + _BEHIND) - seen
            store(state, p + _BEHIND, behind)
            v = seen - alpha * behind / (_ONE - alpha)
            v = select(unclamped <= _MAX_ALPHA, v, _ZERO)
            vx, vy = v * dx, v * dy
            v_1 += v
            v_x += vx
            v_xx += vx * dx
            v_y += vy
            v_xy += vx * dy
            v_yy += vy * dy
            if absgrad:
                abs_x += absolute(vx * xx + vy * (_HALF * xy))
                abs_y += absolute(vx * (_HALF * xy) + vy * yy)
        sums = (v_1, v_x, v_xx, v_y, v_xy, v_yy, to_red, to_green, to_blue, to_depth, weights, abs_x, abs_y)
        store_sums(moments, np.uint64(pair * ROW), sums)


@njit(**JIT_OPTIONS)
def _begin_tile(background, is_expected_depth, state):
    """Fills T, S and the gradients of what was composited from the planes of the image and of its gradient."""
    red, green, blue = background
    for pixel in range(TILE_SIZE):
        p = np.uint64(pixel)
        alpha, grad_alpha, depth, grad_depth = (
            state[p + _ALPHA],
            state[p + _GRAD_ALPHA],
            state[p + _DEPTH],
            state[p + _GRAD_DEPTH],
        )
        g0, g1, g2 = state[p + _GRAD_RED], state[p + _GRAD_GREEN], state[p + _GRAD_BLUE]
        from_background = g0 * red + g1 * green + g2 * blue
        # of weight times gradient, over everything that the pixel sees
        total = g0 * state[p + _RED] + g1 * state[p + _GREEN] + g2 * state[p + _BLUE] + grad_depth * depth
        total -= (_ONE - alpha) * from_background
        grad_alpha -= from_background
        grad_depth /= max(alpha, MIN_DEPTH_DIVISOR) if is_expected_depth else _ONE
        grad_alpha -= grad_depth * depth if is_expected_depth and alpha > MIN_DEPTH_DIVISOR else _ZERO
        state[p + _GRAD_DEPTH], state[p + _GRAD_ALPHA] = grad_depth, grad_alpha
        state[p + _BEHIND] = total + grad_alpha * alpha
        state[p] = _ONE


@njit(**JIT_OPTIONS)
def composite_tiles_backward(
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
    grad_images,
    grad_alphas,
    absgrad,
    moments,
):
    """Fills moments [pairs * ROW] of the tiles first_task..last_task-1 of all cameras, for the pairs that were kept."""
    _, height, width, _ = images.shape
    flat_images, flat_alphas, num_channels = images.reshape(-1), alphas.reshape(-1), 3 * has_rgb + has_depth
    first_plane, first_grad_plane = (_RED, _GRAD_RED) if has_rgb else (_DEPTH, _GRAD_DEPTH)
    flat_grad_images, flat_grad_alphas = grad_images.reshape(-1), grad_alphas.reshape(-1)
    state = aligned_floats(_PLANES * PLANE_SIZE)
    state[:] = _ZERO  # the planes of channels that the images do not have stay so
    tiles = len(ends) // len(records)
    for task in range(first_task, last_task):
        if starts[task] == ends[task]:
            continue
        camera, tile = task // tiles, task % tiles
        x0, y0 = tile % tiles_x * TILE_WIDTH, tile // tiles_x * TILE_HEIGHT
        columns, rows = min(TILE_WIDTH, width - x0), min(TILE_HEIGHT, height - y0)
        is_cut = columns < TILE_WIDTH or rows < TILE_HEIGHT
        if is_cut:
            state[:] = _ZERO
        tile_pixels = ((camera * height + y0) * width + x0, width, columns, rows)
        read_pixels(state, _ALPHA, 1, flat_alphas, *tile_pixels)
        read_pixels(state, _GRAD_ALPHA, 1, flat_grad_alphas, *tile_pixels)
        read_pixels(state, first_plane, num_channels, flat_images, *tile_pixels)
        read_pixels(state, first_grad_plane, num_channels, flat_grad_images, *tile_pixels)
        _begin_tile(backgrounds[camera], is_expected_depth, state)
        if is_cut:
            close_outside(columns, rows, state)
        left, top = np.float32(x0) + _HALF, np.float32(y0) + _HALF
        composite_tile_backward(
            records[camera], lists, block_sets, starts[task], ends[task], left, top, absgrad, state, moments
        )


@njit(**JIT_OPTIONS)
def sum_over_tiles(first, last, num_drawn, starts, lists, ends, moments, is_seen, camera_moments):
    """Adds the moments of all tiles of the cameras first..last-1, tile after tile, into camera_moments [C * N * ROW].

    Fills is_seen [C,N]: whether any tile kept the Gaussian. The moments of the others are left as they are.
    """
    tiles, num_gaussians = len(ends) // len(num_drawn), is_seen.shape[1]
    for camera in range(first, last):
        is_seen[camera, : num_drawn[camera]] = False
        for task in range(camera * tiles, (camera + 1) * tiles):
            for index in range(starts[task], ends[task]):
                rank = lists[index]
                is_begun = is_seen[camera, rank]
                for column in range(0, ROW, LANES):
                    total = np.uint64((camera * num_gaussians + rank) * ROW + column)
                    of_tile = load(moments, np.uint64(index * ROW + column))
                    store(camera_moments, total, load(camera_moments, total) + of_tile if is_begun else of_tile)
                is_seen[camera, rank] = True


@njit(**JIT_OPTIONS)
def moments_to_gradients(
    first,
    last,
    ranks,
    is_seen,
    camera_moments,
    conics,
    opacities,
    grad_means2d,
    grad_conics,
    grad_depths,
    grad_opacities,
    grad_colors,
    absgrad_means2d,
    contributions,
):
    """Fills the gradients of the Gaussians first..last-1 from camera_moments [C,N,ROW], is_seen [C,N] and ranks [C,N].

    Behind an opaque surface most are not seen: the bytes that say so stay in the cache, the moments would not.
    grad_colors is [C,N,3], or [1,N,3] where cameras share the colors; opacities and grad_opacities [C,N] or [1,N]
    likewise; absgrad_means2d [C,N,2] may have no rows; contributions [C,N] are the sums of weights.
    """
    grad_opacities[:, first:last] = _ZERO
    grad_colors[:, first:last] = _ZERO
    for c in range(len(ranks)):
        to_colors, of_opacities = min(c, len(grad_colors) - 1), min(c, len(opacities) - 1)
        for n in range(first, last):
            rank = ranks[c, n]
            if rank < 0 or not is_seen[c, rank]:
                grad_means2d[c, n, 0], grad_means2d[c, n, 1] = _ZERO, _ZERO
                grad_conics[c, n, 0], grad_conics[c, n, 1], grad_conics[c, n, 2] = _ZERO, _ZERO, _ZERO
                grad_depths[c, n] = contributions[c, n] = _ZERO
                if len(absgrad_means2d) > 0:
                    absgrad_means2d[c, n, 0], absgrad_means2d[c, n, 1] = _ZERO, _ZERO
                continue
            m = camera_moments[c, rank]
            xx, xy, yy = conics[c, n, 0], conics[c, n, 1], conics[c, n, 2]
            grad_means2d[c, n, 0] = xx * m[SUM_X] + xy * m[SUM_Y]
            grad_means2d[c, n, 1] = xy * m[SUM_X] + yy * m[SUM_Y]
            grad_conics[c, n, 0] = -_HALF * m[SUM_XX]
            grad_conics[c, n, 1] = -m[SUM_XY]
            grad_conics[c, n, 2] = -_HALF * m[SUM_YY]
            grad_depths[c, n], contributions[c, n] = m[TO_DEPTH], m[WEIGHT]
            # d alpha / d opacity = alpha / opacity
            grad_opacities[of_opacities, n] += m[SUM] / opacities[of_opacities, n]
            grad_colors[to_colors, n, 0] += m[TO_RED]
            grad_colors[to_colors, n, 1] += m[TO_GREEN]
            grad_colors[to_colors, n, 2] += m[TO_BLUE]
            if len(absgrad_means2d) > 0:
                absgrad_means2d[c, n, 0], absgrad_means2d[c, n, 1] = _TO_CONIC * m[ABS_X], _TO_CONIC * m[ABS_Y]
