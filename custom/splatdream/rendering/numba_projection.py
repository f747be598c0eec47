"""Numba kernels: Gaussians to ellipses on the screen, and the gradient back.

The mathematics is that of `reference.project`. A range of Gaussians is one independent piece of work; all cameras of a
Gaussian are treated together, so that its gradient is summed over the cameras in one fixed order.

N Gaussians, C cameras.
"""

import math

import numpy as np
from numba import njit

from .numba_lanes import JIT_OPTIONS
from .signature import ALPHA_THRESHOLD, FRUSTUM_MARGIN, MAX_EXTENT_SIGMAS, MIN_DETERMINANT

_ONE = np.float32(1)
_TWO = np.float32(2)
_HALF = np.float32(0.5)
_ZERO = np.float32(0)
_TINY = np.float32(1e-24)  # keeps a quaternion of zeros from becoming NaN
_LOG2_THRESHOLD = np.float32(math.log2(ALPHA_THRESHOLD))
_LN_2 = np.float32(math.log(2))
_MAX_EXTENT = np.float32(MAX_EXTENT_SIGMAS)
_MIN_DETERMINANT = np.float32(MIN_DETERMINANT)
_MARGIN = np.float32(FRUSTUM_MARGIN)


@njit(inline="always", **JIT_OPTIONS)
def _rotation(w, x, y, z):
    """Rows of the rotation matrix of a unit quaternion."""
    return (
        (_ONE - _TWO * (y * y + z * z), _TWO * (x * y - w * z), _TWO * (x * z + w * y)),
        (_TWO * (x * y + w * z), _ONE - _TWO * (x * x + z * z), _TWO * (y * z - w * x)),
        (_TWO * (x * z - w * y), _TWO * (y * z + w * x), _ONE - _TWO * (x * x + y * y)),
    )


@njit(inline="always", **JIT_OPTIONS)
def _slope_limits(focal, center, size):
    """Smallest and largest x / z at which the Jacobian is still taken where the Gaussian is."""
    margin = _MARGIN * _HALF * size / focal
    return -(center / focal + margin), (size - center) / focal + margin


@njit(inline="always", **JIT_OPTIONS)
def _jacobian(px, py, pz, fx, fy, low_x, high_x, low_y, high_y):
    """The nonzero entries of d pixel / d camera point: (j00, j02, j11, j12), and the clamped slopes."""
    inverse_z = _ONE / pz
    slope_x = min(max(px * inverse_z, low_x), high_x)
    slope_y = min(max(py * inverse_z, low_y), high_y)
    j00, j11 = fx * inverse_z, fy * inverse_z
    return j00, -j00 * slope_x, j11, -j11 * slope_y, slope_x, slope_y


@njit(inline="always", **JIT_OPTIONS)
def _times_matrix(a, b, c, rows):
    """The row vector (a, b, c) times a 3x3 matrix."""
    return (
        a * rows[0][0] + b * rows[1][0] + c * rows[2][0],
        a * rows[0][1] + b * rows[1][1] + c * rows[2][1],
        a * rows[0][2] + b * rows[1][2] + c * rows[2][2],
    )


@njit(inline="always", **JIT_OPTIONS)
def _covariance(h0, h1, eps2d):
    """Entries a, b, c of the covariance h h^T + eps2d I, and its determinant.

    The determinant is a sum of squares (Cauchy and Binet): a c - b^2 would cancel for a needle.
    """
    a0 = h0[0] * h0[0] + h0[1] * h0[1] + h0[2] * h0[2]
    b = h0[0] * h1[0] + h0[1] * h1[1] + h0[2] * h1[2]
    c0 = h1[0] * h1[0] + h1[1] * h1[1] + h1[2] * h1[2]
    cross_x = h0[1] * h1[2] - h0[2] * h1[1]
    cross_y = h0[2] * h1[0] - h0[0] * h1[2]
    cross_z = h0[0] * h1[1] - h0[1] * h1[0]
    determinant = cross_x * cross_x + cross_y * cross_y + cross_z * cross_z + eps2d * (a0 + c0 + eps2d)
    return a0 + eps2d, b, c0 + eps2d, max(determinant, _MIN_DETERMINANT)


@njit(**JIT_OPTIONS)
def project(
    first,
    last,
    means,
    quats,
    scales,
    log2_opacities,
    viewmats,
    Ks,
    width,
    height,
    near_plane,
    far_plane,
    radius_clip,
    eps2d,
    means2d,
    conics,
    depths,
    radii,
):
    """Fills means2d [C,N,2], conics [C,N,3], depths [C,N] and radii [C,N,2] for the Gaussians first..last-1.

    Returns whether every number that was read is finite.
    """
    all_finite = True
    fwidth, fheight = np.float32(width), np.float32(height)
    for n in range(first, last):
        mx, my, mz = means[n, 0], means[n, 1], means[n, 2]
        qw, qx, qy, qz = quats[n, 0], quats[n, 1], quats[n, 2], quats[n, 3]
        s0, s1, s2 = scales[n, 0], scales[n, 1], scales[n, 2]
        # Zero times a number is zero unless the number is not finite.
        probe = _ZERO * mx + _ZERO * my + _ZERO * mz + _ZERO * qw + _ZERO * qx + _ZERO * qy + _ZERO * qz
        all_finite &= probe + _ZERO * s0 + _ZERO * s1 + _ZERO * s2 == _ZERO
        inverse_norm = _ONE / math.sqrt(max(qw * qw + qx * qx + qy * qy + qz * qz, _TINY))
        rotation = _rotation(qw * inverse_norm, qx * inverse_norm, qy * inverse_norm, qz * inverse_norm)
        log_ratio = _LN_2 * (log2_opacities[n] - _LOG2_THRESHOLD)
        extent = min(math.sqrt(_TWO * max(log_ratio, _ZERO)), _MAX_EXTENT)
        for c in range(len(viewmats)):
            view, K = viewmats[c], Ks[c]
            fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
            low_x, high_x = _slope_limits(fx, cx, fwidth)
            low_y, high_y = _slope_limits(fy, cy, fheight)
            px = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
            py = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
            pz = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
            j00, j02, j11, j12, _, _ = _jacobian(px, py, pz, fx, fy, low_x, high_x, low_y, high_y)
            u, v = j00 * px + cx, j11 * py + cy
            t0 = (
                j00 * view[0, 0] + j02 * view[2, 0],
                j00 * view[0, 1] + j02 * view[2, 1],
                j00 * view[0, 2] + j02 * view[2, 2],
            )
            t1 = (
                j11 * view[1, 0] + j12 * view[2, 0],
                j11 * view[1, 1] + j12 * view[2, 1],
                j11 * view[1, 2] + j12 * view[2, 2],
            )
            r0, r1 = _times_matrix(t0[0], t0[1], t0[2], rotation), _times_matrix(t1[0], t1[1], t1[2], rotation)
            h0 = (r0[0] * s0, r0[1] * s1, r0[2] * s2)
            h1 = (r1[0] * s0, r1[1] * s1, r1[2] * s2)
            a, b, d, determinant = _covariance(h0, h1, eps2d)
            inverse = _ONE / determinant
            radius_x = np.ceil(extent * math.sqrt(a))
            radius_y = np.ceil(extent * math.sqrt(d))
            # Written so that a NaN (overflow of a finite number) makes it false.
            is_drawn = (
                (pz > near_plane)
                & (pz < far_plane)
                & (log_ratio >= _ZERO)
                & ((radius_x > radius_clip) | (radius_y > radius_clip))
                & (u + radius_x > _ZERO)
                & (u - radius_x < fwidth)
                & (v + radius_y > _ZERO)
                & (v - radius_y < fheight)
            )
            means2d[c, n, 0], means2d[c, n, 1] = u, v
            conics[c, n, 0], conics[c, n, 1], conics[c, n, 2] = d * inverse, -b * inverse, a * inverse
            depths[c, n] = pz
            # Larger radii than the image would only overflow the integers.
            radii[c, n, 0] = np.int32(min(radius_x, np.float32(1 << 24))) if is_drawn else 0
            radii[c, n, 1] = np.int32(min(radius_y, np.float32(1 << 24))) if is_drawn else 0
    return all_finite


@njit(**JIT_OPTIONS)
def project_backward(  # noqa: PLR0915
    first,
    last,
    means,
    quats,
    scales,
    viewmats,
    Ks,
    width,
    height,
    eps2d,
    radii,
    grad_means2d,
    grad_conics,
    grad_depths,
    grad_means,
    grad_quats,
    grad_scales,
):
    """Fills the gradients of means, quats and scales for the Gaussians first..last-1, summed over the cameras.

    Gaussians that a camera does not draw (radius 0) get nothing from it.
    """
    fwidth, fheight = np.float32(width), np.float32(height)
    for n in range(first, last):
        mx, my, mz = means[n, 0], means[n, 1], means[n, 2]
        s0, s1, s2 = scales[n, 0], scales[n, 1], scales[n, 2]
        qw, qx, qy, qz = quats[n, 0], quats[n, 1], quats[n, 2], quats[n, 3]
        inverse_norm = _ONE / math.sqrt(max(qw * qw + qx * qx + qy * qy + qz * qz, _TINY))
        qw, qx, qy, qz = qw * inverse_norm, qx * inverse_norm, qy * inverse_norm, qz * inverse_norm
        rotation = _rotation(qw, qx, qy, qz)
        gm0, gm1, gm2 = _ZERO, _ZERO, _ZERO
        gs0, gs1, gs2 = _ZERO, _ZERO, _ZERO
        g00, g01, g02 = _ZERO, _ZERO, _ZERO  # d loss / d rotation, row by row
        g10, g11, g12 = _ZERO, _ZERO, _ZERO
        g20, g21, g22 = _ZERO, _ZERO, _ZERO
        for c in range(len(viewmats)):
            if radii[c, n, 0] == 0:
                continue
            view, K = viewmats[c], Ks[c]
            fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
            low_x, high_x = _slope_limits(fx, cx, fwidth)
            low_y, high_y = _slope_limits(fy, cy, fheight)
            px = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
            py = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
            pz = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
            j00, j02, j11, j12, slope_x, slope_y = _jacobian(px, py, pz, fx, fy, low_x, high_x, low_y, high_y)
            t0 = (
                j00 * view[0, 0] + j02 * view[2, 0],
                j00 * view[0, 1] + j02 * view[2, 1],
                j00 * view[0, 2] + j02 * view[2, 2],
            )
            t1 = (
                j11 * view[1, 0] + j12 * view[2, 0],
                j11 * view[1, 1] + j12 * view[2, 1],
                j11 * view[1, 2] + j12 * view[2, 2],
            )
            r0, r1 = _times_matrix(t0[0], t0[1], t0[2], rotation), _times_matrix(t1[0], t1[1], t1[2], rotation)
            h0 = (r0[0] * s0, r0[1] * s1, r0[2] * s2)
            h1 = (r1[0] * s0, r1[1] * s1, r1[2] * s2)
            a, b, d, determinant = _covariance(h0, h1, eps2d)
            inverse = _ONE / determinant
            # conic X = covariance^-1, hence d loss / d covariance = -X G X with G symmetric.
            xa, xb, xd = d * inverse, -b * inverse, a * inverse
            ga, gb, gd = grad_conics[c, n, 0], _HALF * grad_conics[c, n, 1], grad_conics[c, n, 2]
            m00, m01 = ga * xa + gb * xb, ga * xb + gb * xd
            m10, m11 = gb * xa + gd * xb, gb * xb + gd * xd
            # covariance = h h^T, hence d loss / d h = 2 (d loss / d covariance) h.
            va, vb, vd = (
                -_TWO * (xa * m00 + xb * m10),
                -_TWO * (xa * m01 + xb * m11),
                -_TWO * (xb * m01 + xd * m11),
            )
            k00, k01, k02 = va * h0[0] + vb * h1[0], va * h0[1] + vb * h1[1], va * h0[2] + vb * h1[2]
            k10, k11, k12 = vb * h0[0] + vd * h1[0], vb * h0[1] + vd * h1[1], vb * h0[2] + vd * h1[2]
            gs0 += k00 * r0[0] + k10 * r1[0]
            gs1 += k01 * r0[1] + k11 * r1[1]
            gs2 += k02 * r0[2] + k12 * r1[2]
            k00, k01, k02, k10, k11, k12 = k00 * s0, k01 * s1, k02 * s2, k10 * s0, k11 * s1, k12 * s2
            g00 += t0[0] * k00 + t1[0] * k10
            g01 += t0[0] * k01 + t1[0] * k11
            g02 += t0[0] * k02 + t1[0] * k12
            g10 += t0[1] * k00 + t1[1] * k10
            g11 += t0[1] * k01 + t1[1] * k11
            g12 += t0[1] * k02 + t1[1] * k12
            g20 += t0[2] * k00 + t1[2] * k10
            g21 += t0[2] * k01 + t1[2] * k11
            g22 += t0[2] * k02 + t1[2] * k12
            # d loss / d t, then d loss / d jacobian = (d loss / d t) view^T.
            w00 = k00 * rotation[0][0] + k01 * rotation[0][1] + k02 * rotation[0][2]
            w01 = k00 * rotation[1][0] + k01 * rotation[1][1] + k02 * rotation[1][2]
            w02 = k00 * rotation[2][0] + k01 * rotation[2][1] + k02 * rotation[2][2]
            w10 = k10 * rotation[0][0] + k11 * rotation[0][1] + k12 * rotation[0][2]
            w11 = k10 * rotation[1][0] + k11 * rotation[1][1] + k12 * rotation[1][2]
            w12 = k10 * rotation[2][0] + k11 * rotation[2][1] + k12 * rotation[2][2]
            gj00 = w00 * view[0, 0] + w01 * view[0, 1] + w02 * view[0, 2]
            gj02 = w00 * view[2, 0] + w01 * view[2, 1] + w02 * view[2, 2]
            gj11 = w10 * view[1, 0] + w11 * view[1, 1] + w12 * view[1, 2]
            gj12 = w10 * view[2, 0] + w11 * view[2, 1] + w12 * view[2, 2]
            # u = fx px / pz, j00 = fx / pz, j02 = -j00 slope_x with slope_x = px / pz unless clamped.
            inverse_z = _ONE / pz
            exact_x, exact_y = px * inverse_z, py * inverse_z
            gx = fx * grad_means2d[c, n, 0]
            gy = fy * grad_means2d[c, n, 1]
            gx -= j00 * gj02 if (exact_x > low_x) & (exact_x < high_x) else _ZERO
            gy -= j11 * gj12 if (exact_y > low_y) & (exact_y < high_y) else _ZERO
            g_inverse_z = fx * (gj00 - slope_x * gj02) + fy * (gj11 - slope_y * gj12) + px * gx + py * gy
            gpx, gpy = gx * inverse_z, gy * inverse_z
            gpz = grad_depths[c, n] - g_inverse_z * inverse_z * inverse_z
            gm0 += view[0, 0] * gpx + view[1, 0] * gpy + view[2, 0] * gpz
            gm1 += view[0, 1] * gpx + view[1, 1] * gpy + view[2, 1] * gpz
            gm2 += view[0, 2] * gpx + view[1, 2] * gpy + view[2, 2] * gpz
        grad_means[n, 0], grad_means[n, 1], grad_means[n, 2] = gm0, gm1, gm2
        grad_scales[n, 0], grad_scales[n, 1], grad_scales[n, 2] = gs0, gs1, gs2
        gw = _TWO * (qz * (g10 - g01) + qy * (g02 - g20) + qx * (g21 - g12))
        gx = _TWO * (qy * (g01 + g10) + qz * (g02 + g20) + qw * (g21 - g12) - _TWO * qx * (g11 + g22))
        gy = _TWO * (qx * (g01 + g10) + qz * (g12 + g21) + qw * (g02 - g20) - _TWO * qy * (g00 + g22))
        gz = _TWO * (qx * (g02 + g20) + qy * (g12 + g21) + qw * (g10 - g01) - _TWO * qz * (g00 + g11))
        along = qw * gw + qx * gx + qy * gy + qz * gz  # the norm of a quaternion changes nothing
        grad_quats[n, 0], grad_quats[n, 1] = (gw - qw * along) * inverse_norm, (gx - qx * along) * inverse_norm
        grad_quats[n, 2], grad_quats[n, 3] = (gy - qy * along) * inverse_norm, (gz - qz * along) * inverse_norm
