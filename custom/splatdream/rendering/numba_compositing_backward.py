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
    MIN_DEPTH_DIVISOR,
    lowest_block,
)
from .numba_lanes import JIT_OPTIONS, LANES, aligned_floats, exp2, sum_lanes
from .numba_planes import BLOCK_WIDTH, PLANE_SIZE, TILE_SIZE, close_outside, read_pixels
from .signature import MAX_ALPHA, MIN_TRANSMITTANCE

# What is kept of a tile, plane after plane: transmittance, S, the gradients of red, green, blue, depth and alpha. The
# image itself is needed at the start only.
_PLANES = 12
_BEHIND, _GRAD_RED, _GRAD_GREEN, _GRAD_BLUE, _GRAD_DEPTH, _GRAD_ALPHA, _RED, _GREEN, _BLUE, _DEPTH, _ALPHA = (
    np.uint64(plane * PLANE_SIZE) for plane in range(1, _PLANES)
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


@njit(**JIT_OPTIONS)
def composite_tile_backward(  # noqa: PLR0915
    records, lists, block_sets, first, last, left, top, absgrad, state, lanes, moments
):
    """Fills moments[first:last] from state, which holds T = 1, S = its total, and the pixels' gradients."""
    for start in range(first, last, BATCH):
        end = min(start + BATCH, last)
        lanes[:] = _ZERO
        for pair in range(start, end):
            record, blocks = records[lists[pair]], block_sets[pair]
            row = np.uint64((pair - start) * _LANES_SIZE)
            center_x, center_y = record[CENTER_X] - left, record[CENTER_Y] - top
            xx, xy, yy, log2_opacity = record[QUAD_XX], record[QUAD_XY], record[QUAD_YY], record[LOG2_OPACITY]
            red, green, blue, depth = record[RED], record[GREEN], record[BLUE], record[DEPTH]
            while blocks:
                block = lowest_block(blocks)
                blocks &= blocks - np.uint64(1)
                base = np.uint64(block * LANES)
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
        sum_lanes(lanes, _LANES_SIZE, MOMENTS if absgrad else ABS_X, start, end, moments)


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
    """Fills moments [pairs,12] of the tiles first_task..last_task-1 of all cameras, for the pairs that were kept."""
    _, height, width, _ = images.shape
    flat_images, flat_alphas, num_channels = images.reshape(-1), alphas.reshape(-1), 3 * has_rgb + has_depth
    first_plane, first_grad_plane = (_RED, _GRAD_RED) if has_rgb else (_DEPTH, _GRAD_DEPTH)
    flat_grad_images, flat_grad_alphas = grad_images.reshape(-1), grad_alphas.reshape(-1)
    state = aligned_floats(_PLANES * PLANE_SIZE)
    state[:] = _ZERO  # the planes of channels that the images do not have stay so
    lanes = aligned_floats(BATCH * _LANES_SIZE)
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
            records[camera], lists, block_sets, starts[task], ends[task], left, top, absgrad, state, lanes, moments
        )


@njit(**JIT_OPTIONS)
def sum_over_tiles(first, last, num_drawn, starts, lists, ends, moments, is_seen, camera_moments):
    """Adds the moments of all tiles of the cameras first..last-1, tile after tile, into camera_moments [C,N,12].

    Fills is_seen [C,N]: whether any tile kept the Gaussian. The moments of the others are left as they are.
    """
    tiles = len(ends) // len(num_drawn)
    for camera in range(first, last):
        is_seen[camera, : num_drawn[camera]] = False
        for task in range(camera * tiles, (camera + 1) * tiles):
            for index in range(starts[task], ends[task]):
                rank = lists[index]
                total, is_begun = camera_moments[camera, rank], is_seen[camera, rank]
                for moment in range(MOMENTS):
                    total[moment] = (total[moment] if is_begun else _ZERO) + moments[index, moment]
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
):
    """Fills the gradients of the Gaussians first..last-1 from camera_moments [C,n,12], is_seen [C,n] and ranks [C,N].

    Behind an opaque surface most are not seen: the bytes that say so stay in the cache, the moments would not.
    grad_colors is [C,N,3], or [1,N,3] where cameras share the colors; opacities and grad_opacities [C,N] or [1,N]
    likewise; absgrad_means2d [C,N,2] may have no rows.
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
                grad_depths[c, n] = _ZERO
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
            grad_depths[c, n] = m[TO_DEPTH]
            # d alpha / d opacity = alpha / opacity
            grad_opacities[of_opacities, n] += m[SUM] / opacities[of_opacities, n]
            grad_colors[to_colors, n, 0] += m[TO_RED]
            grad_colors[to_colors, n, 1] += m[TO_GREEN]
            grad_colors[to_colors, n, 2] += m[TO_BLUE]
            if len(absgrad_means2d) > 0:
                absgrad_means2d[c, n, 0], absgrad_means2d[c, n, 1] = m[ABS_X], m[ABS_Y]
