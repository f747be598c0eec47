"""Numba kernels: Gaussians to ellipses on the screen, and the gradient back.

The mathematics is that of `reference.project`. LANES Gaussians are treated together: their numbers are laid side by
side in a small table (`lanes`, row = quantity, column = Gaussian), on which the innermost loops work without a branch.
A range of Gaussians is one independent piece of work; a Gaussian's gradient is summed over the cameras in one fixed
order.

N Gaussians, C cameras.
"""

import math

import numpy as np
from numba import njit

from .numba_lanes import JIT_OPTIONS, LANES, aligned_floats
from .signature import ALPHA_THRESHOLD, FRUSTUM_MARGIN, MAX_EXTENT_SIGMAS, MIN_DETERMINANT

_ZERO, _HALF, _ONE, _TWO = (np.float32(x) for x in (0, 0.5, 1, 2))
_TINY = np.float32(1e-24)  # keeps a quaternion of zeros from becoming NaN
_LOG2_THRESHOLD = np.float32(math.log2(ALPHA_THRESHOLD))
_LN_2 = np.float32(math.log(2))
_MAX_EXTENT = np.float32(MAX_EXTENT_SIGMAS)
_MAX_RADIUS = np.float32(1 << 24)  # pixels; larger ones would only overflow the integers
_MIN_DETERMINANT = np.float32(MIN_DETERMINANT)
_MARGIN = np.float32(FRUSTUM_MARGIN)

# Rows of the table, as offsets: means, unit quaternions, 1 / norm, scales, reach in sigmas, rotations.
_MX, _MY, _MZ, _QW, _QX, _QY, _QZ, _INVERSE_NORM, _S0, _S1, _S2, _EXTENT = (LANES * row for row in range(12))
_R00, _R01, _R02, _R10, _R11, _R12, _R20, _R21, _R22 = (LANES * row for row in range(12, 21))
# What one camera sees (forward), or its gradients (backward):
_U, _V, _A, _B, _C, _Z, _RADIUS_X, _RADIUS_Y = (LANES * row for row in range(21, 29))
# Forward only, where the backward pass keeps sums: log2 opacity, variances and 1 / determinant on the screen, and the
# square of the compensation.
_LOG2_OPACITY, _VARIANCE_X, _VARIANCE_Y, _INVERSE, _SQUARE = (LANES * row for row in range(29, 34))
# Gradients summed over the cameras:
_GMX, _GMY, _GMZ, _GS0, _GS1, _GS2 = (LANES * row for row in range(29, 35))
_G00, _G01, _G02, _G10, _G11, _G12, _G20, _G21, _G22 = (LANES * row for row in range(35, 44))
_TABLE_SIZE = 44 * LANES


@njit(**JIT_OPTIONS)
def _load_gaussians(first, last, means, quats, scales, lanes):
    """Fills the rows of what is given, from the Gaussians first..last-1, and of the rotations.

    Returns whether every number that was read is finite.
    """
    for lane in range(LANES):
        n = min(first + lane, last - 1)  # the last one again where there are fewer than LANES
        lanes[_MX + lane], lanes[_MY + lane], lanes[_MZ + lane] = means[n, 0], means[n, 1], means[n, 2]
        lanes[_QW + lane], lanes[_QX + lane] = quats[n, 0], quats[n, 1]
        lanes[_QY + lane], lanes[_QZ + lane] = quats[n, 2], quats[n, 3]
        lanes[_S0 + lane], lanes[_S1 + lane], lanes[_S2 + lane] = scales[n, 0], scales[n, 1], scales[n, 2]
    not_finite = 0
    for lane in range(LANES):
        w, x, y, z = lanes[_QW + lane], lanes[_QX + lane], lanes[_QY + lane], lanes[_QZ + lane]
        # Zero times a number is zero unless the number is not finite.
        probe = _ZERO * lanes[_MX + lane] + _ZERO * lanes[_MY + lane] + _ZERO * lanes[_MZ + lane]
        probe += _ZERO * w + _ZERO * x + _ZERO * y + _ZERO * z
        probe += _ZERO * lanes[_S0 + lane] + _ZERO * lanes[_S1 + lane] + _ZERO * lanes[_S2 + lane]
        not_finite += 0 if probe == _ZERO else 1
        inverse_norm = _ONE / np.sqrt(max(w * w + x * x + y * y + z * z, _TINY))
        w, x, y, z = w * inverse_norm, x * inverse_norm, y * inverse_norm, z * inverse_norm
        lanes[_INVERSE_NORM + lane] = inverse_norm
        lanes[_QW + lane], lanes[_QX + lane], lanes[_QY + lane], lanes[_QZ + lane] = w, x, y, z
        lanes[_R00 + lane] = _ONE - _TWO * (y * y + z * z)
        lanes[_R01 + lane] = _TWO * (x * y - w * z)
        lanes[_R02 + lane] = _TWO * (x * z + w * y)
        lanes[_R10 + lane] = _TWO * (x * y + w * z)
        lanes[_R11 + lane] = _ONE - _TWO * (x * x + z * z)
        lanes[_R12 + lane] = _TWO * (y * z - w * x)
        lanes[_R20 + lane] = _TWO * (x * z - w * y)
        lanes[_R21 + lane] = _TWO * (y * z + w * x)
        lanes[_R22 + lane] = _ONE - _TWO * (x * x + y * y)
    return not_finite == 0


@njit(inline="always", **JIT_OPTIONS)
def _camera(view, K, width, height):
    """Rotation and translation row by row, focal lengths and center, and the limits of x / z and y / z.

    Beyond the limits the Jacobian of the projection is no longer taken where the Gaussian is.
    """
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    margin_x = _MARGIN * _HALF * np.float32(width) / fx
    margin_y = _MARGIN * _HALF * np.float32(height) / fy
    return (
        (view[0, 0], view[0, 1], view[0, 2], view[0, 3]),
        (view[1, 0], view[1, 1], view[1, 2], view[1, 3]),
        (view[2, 0], view[2, 1], view[2, 2], view[2, 3]),
        (fx, fy, cx, cy),
        (-(cx / fx + margin_x), (np.float32(width) - cx) / fx + margin_x),
        (-(cy / fy + margin_y), (np.float32(height) - cy) / fy + margin_y),
    )


@njit(inline="always", **JIT_OPTIONS)
def _covariance(h00, h01, h02, h10, h11, h12, eps2d):
    """Entries a, b, c of the covariance h h^T + eps2d I, its determinant, and that of h h^T.

    The latter is a sum of squares (Cauchy and Binet): a c - b^2 would cancel for a needle.
    """
    a = h00 * h00 + h01 * h01 + h02 * h02
    b = h00 * h10 + h01 * h11 + h02 * h12
    c = h10 * h10 + h11 * h11 + h12 * h12
    x, y, z = h01 * h12 - h02 * h11, h02 * h10 - h00 * h12, h00 * h11 - h01 * h10
    sharp = x * x + y * y + z * z
    determinant = sharp + eps2d * (a + c + eps2d)
    return a + eps2d, b, c + eps2d, max(determinant, _MIN_DETERMINANT), sharp


@njit(inline="always", **JIT_OPTIONS)
def _ceil(x):
    """The smallest integer not below x, for 0 <= x <= 2^24, without a call into libm; _MAX_RADIUS above."""
    cut = np.float32(np.int32(min(x, _MAX_RADIUS)))
    return cut + (_ONE if x > cut else _ZERO)


@njit(**JIT_OPTIONS)
def _project_lanes(camera, eps2d, lanes):
    """Fills the rows of what one camera sees, but for the radii."""
    (v00, v01, v02, v03), (v10, v11, v12, v13), (v20, v21, v22, v23), (fx, fy, cx, cy), limits_x, limits_y = camera
    for lane in range(LANES):
        mx, my, mz = lanes[_MX + lane], lanes[_MY + lane], lanes[_MZ + lane]
        px = v00 * mx + v01 * my + v02 * mz + v03
        py = v10 * mx + v11 * my + v12 * mz + v13
        pz = v20 * mx + v21 * my + v22 * mz + v23
        inverse_z = _ONE / pz
        slope_x, slope_y = px * inverse_z, py * inverse_z
        u, v = fx * slope_x + cx, fy * slope_y + cy
        # Jacobian of the projection, then t = Jacobian * rotation of the camera, h = t * rotation * scale.
        j00, j11 = fx * inverse_z, fy * inverse_z
        j02 = -j00 * min(max(slope_x, limits_x[0]), limits_x[1])
        j12 = -j11 * min(max(slope_y, limits_y[0]), limits_y[1])
        t00, t01, t02 = j00 * v00 + j02 * v20, j00 * v01 + j02 * v21, j00 * v02 + j02 * v22
        t10, t11, t12 = j11 * v10 + j12 * v20, j11 * v11 + j12 * v21, j11 * v12 + j12 * v22
        r00, r01, r02 = lanes[_R00 + lane], lanes[_R01 + lane], lanes[_R02 + lane]
        r10, r11, r12 = lanes[_R10 + lane], lanes[_R11 + lane], lanes[_R12 + lane]
        r20, r21, r22 = lanes[_R20 + lane], lanes[_R21 + lane], lanes[_R22 + lane]
        s0, s1, s2 = lanes[_S0 + lane], lanes[_S1 + lane], lanes[_S2 + lane]
        h00, h10 = (t00 * r00 + t01 * r10 + t02 * r20) * s0, (t10 * r00 + t11 * r10 + t12 * r20) * s0
        h01, h11 = (t00 * r01 + t01 * r11 + t02 * r21) * s1, (t10 * r01 + t11 * r11 + t12 * r21) * s1
        h02, h12 = (t00 * r02 + t01 * r12 + t02 * r22) * s2, (t10 * r02 + t11 * r12 + t12 * r22) * s2
        a, b, c, determinant, sharp = _covariance(h00, h01, h02, h10, h11, h12, eps2d)
        inverse = _ONE / determinant
        lanes[_U + lane], lanes[_V + lane], lanes[_Z + lane] = u, v, pz
        lanes[_A + lane], lanes[_B + lane], lanes[_C + lane] = c * inverse, -b * inverse, a * inverse
        lanes[_VARIANCE_X + lane], lanes[_VARIANCE_Y + lane] = a, c
        lanes[_INVERSE + lane], lanes[_SQUARE + lane] = inverse, sharp * inverse


@njit(**JIT_OPTIONS)
def _find_extents(is_antialiased, lanes):
    """Fills the row of reaches: alpha = opacity exp(-reach^2 / 2) is the threshold there; negative if it never is."""
    for lane in range(LANES):
        log_ratio = _LN_2 * (lanes[_LOG2_OPACITY + lane] - _LOG2_THRESHOLD)
        if is_antialiased:
            log_ratio += _HALF * np.log(lanes[_SQUARE + lane])
        extent = min(np.sqrt(_TWO * max(log_ratio, _ZERO)), _MAX_EXTENT)
        lanes[_EXTENT + lane] = extent if log_ratio >= _ZERO else -_ONE


@njit(**JIT_OPTIONS)
def _find_radii(width, height, near_plane, far_plane, radius_clip, lanes):
    """Fills the rows of radii: 0 for a Gaussian that is not drawn."""
    for lane in range(LANES):
        u, v, pz, inverse = lanes[_U + lane], lanes[_V + lane], lanes[_Z + lane], lanes[_INVERSE + lane]
        extent = lanes[_EXTENT + lane]
        radius_x = _ceil(extent * np.sqrt(lanes[_VARIANCE_X + lane]))
        radius_y = _ceil(extent * np.sqrt(lanes[_VARIANCE_Y + lane]))
        # Written so that a NaN (the overflow of a finite number) makes it false.
        is_drawn = (
            (pz > near_plane)
            & (pz < far_plane)
            & (extent >= _ZERO)
            & ((radius_x > radius_clip) | (radius_y > radius_clip))
            & (u + radius_x > _ZERO)
            & (u - radius_x < np.float32(width))
            & (v + radius_y > _ZERO)
            & (v - radius_y < np.float32(height))
            & (inverse > _ZERO)
        )
        lanes[_RADIUS_X + lane] = radius_x if is_drawn else _ZERO
        lanes[_RADIUS_Y + lane] = radius_y if is_drawn else _ZERO


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
    compensations,
):
    """Fills means2d [C,N,2], conics [C,N,3], depths [C,N] and radii [C,N,2] for the Gaussians first..last-1.

    Compensations [C,N] are the factors of opacities in antialiased mode, 0 where not drawn; in classic mode [0,N].
    Returns whether every number that was read is finite.
    """
    all_finite, is_antialiased = True, len(compensations) > 0
    lanes = aligned_floats(_TABLE_SIZE)
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        all_finite &= _load_gaussians(start, last, means, quats, scales, lanes)
        for lane in range(LANES):
            lanes[_LOG2_OPACITY + lane] = log2_opacities[min(start + lane, last - 1)]
        _find_extents(False, lanes)
        for c in range(len(viewmats)):
            _project_lanes(_camera(viewmats[c], Ks[c], width, height), eps2d, lanes)
            if is_antialiased:
                _find_extents(True, lanes)
            _find_radii(width, height, near_plane, far_plane, radius_clip, lanes)
            for lane in range(count):
                n = start + lane
                means2d[c, n, 0], means2d[c, n, 1] = lanes[_U + lane], lanes[_V + lane]
                conics[c, n, 0], conics[c, n, 1] = lanes[_A + lane], lanes[_B + lane]
                conics[c, n, 2], depths[c, n] = lanes[_C + lane], lanes[_Z + lane]
                radii[c, n, 0], radii[c, n, 1] = np.int32(lanes[_RADIUS_X + lane]), np.int32(lanes[_RADIUS_Y + lane])
                if is_antialiased:
                    is_drawn = lanes[_RADIUS_X + lane] > _ZERO
                    compensations[c, n] = np.sqrt(lanes[_SQUARE + lane]) if is_drawn else _ZERO
    return all_finite


@njit(**JIT_OPTIONS)
def _project_lanes_backward(camera, eps2d, lanes):  # noqa: PLR0915
    """Adds what one camera contributes to the rows of summed gradients."""
    (v00, v01, v02, v03), (v10, v11, v12, v13), (v20, v21, v22, v23), (fx, fy, _, _), limits_x, limits_y = camera
    for lane in range(LANES):
        mx, my, mz = lanes[_MX + lane], lanes[_MY + lane], lanes[_MZ + lane]
        px = v00 * mx + v01 * my + v02 * mz + v03
        py = v10 * mx + v11 * my + v12 * mz + v13
        pz = v20 * mx + v21 * my + v22 * mz + v23
        inverse_z = _ONE / pz
        exact_x, exact_y = px * inverse_z, py * inverse_z
        slope_x, slope_y = min(max(exact_x, limits_x[0]), limits_x[1]), min(max(exact_y, limits_y[0]), limits_y[1])
        j00, j11 = fx * inverse_z, fy * inverse_z
        j02, j12 = -j00 * slope_x, -j11 * slope_y
        t00, t01, t02 = j00 * v00 + j02 * v20, j00 * v01 + j02 * v21, j00 * v02 + j02 * v22
        t10, t11, t12 = j11 * v10 + j12 * v20, j11 * v11 + j12 * v21, j11 * v12 + j12 * v22
        r00, r01, r02 = lanes[_R00 + lane], lanes[_R01 + lane], lanes[_R02 + lane]
        r10, r11, r12 = lanes[_R10 + lane], lanes[_R11 + lane], lanes[_R12 + lane]
        r20, r21, r22 = lanes[_R20 + lane], lanes[_R21 + lane], lanes[_R22 + lane]
        s0, s1, s2 = lanes[_S0 + lane], lanes[_S1 + lane], lanes[_S2 + lane]
        u00, u10 = t00 * r00 + t01 * r10 + t02 * r20, t10 * r00 + t11 * r10 + t12 * r20
        u01, u11 = t00 * r01 + t01 * r11 + t02 * r21, t10 * r01 + t11 * r11 + t12 * r21
        u02, u12 = t00 * r02 + t01 * r12 + t02 * r22, t10 * r02 + t11 * r12 + t12 * r22
        h00, h01, h02, h10, h11, h12 = u00 * s0, u01 * s1, u02 * s2, u10 * s0, u11 * s1, u12 * s2
        a, b, c, determinant, _ = _covariance(h00, h01, h02, h10, h11, h12, eps2d)
        inverse = _ONE / determinant
        # Conic X = covariance^-1, hence d loss / d covariance = -X G X, with G the symmetric gradient of X.
        xa, xb, xc = c * inverse, -b * inverse, a * inverse
        ga, gb, gc = lanes[_A + lane], _HALF * lanes[_B + lane], lanes[_C + lane]
        m00, m01, m10, m11 = ga * xa + gb * xb, ga * xb + gb * xc, gb * xa + gc * xb, gb * xb + gc * xc
        # Covariance = h h^T + eps2d I, hence d loss / d h = 2 (d loss / d covariance) h.
        ca, cb, cc = -_TWO * (xa * m00 + xb * m10), -_TWO * (xa * m01 + xb * m11), -_TWO * (xb * m01 + xc * m11)
        k00, k01, k02 = ca * h00 + cb * h10, ca * h01 + cb * h11, ca * h02 + cb * h12
        k10, k11, k12 = cb * h00 + cc * h10, cb * h01 + cc * h11, cb * h02 + cc * h12
        gs0, gs1, gs2 = k00 * u00 + k10 * u10, k01 * u01 + k11 * u11, k02 * u02 + k12 * u12
        # h = t * rotation * scale; k becomes d loss / d (t * rotation), then w = d loss / d t.
        k00, k01, k02, k10, k11, k12 = k00 * s0, k01 * s1, k02 * s2, k10 * s0, k11 * s1, k12 * s2
        w00, w10 = k00 * r00 + k01 * r01 + k02 * r02, k10 * r00 + k11 * r01 + k12 * r02
        w01, w11 = k00 * r10 + k01 * r11 + k02 * r12, k10 * r10 + k11 * r11 + k12 * r12
        w02, w12 = k00 * r20 + k01 * r21 + k02 * r22, k10 * r20 + k11 * r21 + k12 * r22
        # t = Jacobian * rotation of the camera.
        gj00, gj02 = w00 * v00 + w01 * v01 + w02 * v02, w00 * v20 + w01 * v21 + w02 * v22
        gj11, gj12 = w10 * v10 + w11 * v11 + w12 * v12, w10 * v20 + w11 * v21 + w12 * v22
        # u = fx x/z + cx; j00 = fx / z; j02 = -j00 x/z, where x/z is a constant once it is clamped.
        free_x = (exact_x > limits_x[0]) & (exact_x < limits_x[1])
        free_y = (exact_y > limits_y[0]) & (exact_y < limits_y[1])
        gx = fx * lanes[_U + lane] - (j00 * gj02 if free_x else _ZERO)
        gy = fy * lanes[_V + lane] - (j11 * gj12 if free_y else _ZERO)
        g_inverse_z = fx * (gj00 - slope_x * gj02) + fy * (gj11 - slope_y * gj12) + px * gx + py * gy
        gpx, gpy = gx * inverse_z, gy * inverse_z
        gpz = lanes[_Z + lane] - g_inverse_z * inverse_z * inverse_z
        # A Gaussian that is not drawn may have overflowed above; it contributes nothing.
        is_drawn = lanes[_RADIUS_X + lane] > _ZERO
        lanes[_GMX + lane] += v00 * gpx + v10 * gpy + v20 * gpz if is_drawn else _ZERO
        lanes[_GMY + lane] += v01 * gpx + v11 * gpy + v21 * gpz if is_drawn else _ZERO
        lanes[_GMZ + lane] += v02 * gpx + v12 * gpy + v22 * gpz if is_drawn else _ZERO
        lanes[_GS0 + lane] += gs0 if is_drawn else _ZERO
        lanes[_GS1 + lane] += gs1 if is_drawn else _ZERO
        lanes[_GS2 + lane] += gs2 if is_drawn else _ZERO
        lanes[_G00 + lane] += t00 * k00 + t10 * k10 if is_drawn else _ZERO
        lanes[_G01 + lane] += t00 * k01 + t10 * k11 if is_drawn else _ZERO
        lanes[_G02 + lane] += t00 * k02 + t10 * k12 if is_drawn else _ZERO
        lanes[_G10 + lane] += t01 * k00 + t11 * k10 if is_drawn else _ZERO
        lanes[_G11 + lane] += t01 * k01 + t11 * k11 if is_drawn else _ZERO
        lanes[_G12 + lane] += t01 * k02 + t11 * k12 if is_drawn else _ZERO
        lanes[_G20 + lane] += t02 * k00 + t12 * k10 if is_drawn else _ZERO
        lanes[_G21 + lane] += t02 * k01 + t12 * k11 if is_drawn else _ZERO
        lanes[_G22 + lane] += t02 * k02 + t12 * k12 if is_drawn else _ZERO


@njit(**JIT_OPTIONS)
def _store_gradients(start, count, lanes, grad_means, grad_quats, grad_scales):
    """The summed gradients, with that of the rotations brought to the quaternions."""
    for lane in range(LANES):
        w, x, y, z = lanes[_QW + lane], lanes[_QX + lane], lanes[_QY + lane], lanes[_QZ + lane]
        g00, g01, g02 = lanes[_G00 + lane], lanes[_G01 + lane], lanes[_G02 + lane]
        g10, g11, g12 = lanes[_G10 + lane], lanes[_G11 + lane], lanes[_G12 + lane]
        g20, g21, g22 = lanes[_G20 + lane], lanes[_G21 + lane], lanes[_G22 + lane]
        gw = _TWO * (z * (g10 - g01) + y * (g02 - g20) + x * (g21 - g12))
        gx = _TWO * (y * (g01 + g10) + z * (g02 + g20) + w * (g21 - g12) - _TWO * x * (g11 + g22))
        gy = _TWO * (x * (g01 + g10) + z * (g12 + g21) + w * (g02 - g20) - _TWO * y * (g00 + g22))
        gz = _TWO * (x * (g02 + g20) + y * (g12 + g21) + w * (g10 - g01) - _TWO * z * (g00 + g11))
        along = w * gw + x * gx + y * gy + z * gz  # the norm of a quaternion changes nothing
        inverse_norm = lanes[_INVERSE_NORM + lane]
        lanes[_QW + lane], lanes[_QX + lane] = (gw - w * along) * inverse_norm, (gx - x * along) * inverse_norm
        lanes[_QY + lane], lanes[_QZ + lane] = (gy - y * along) * inverse_norm, (gz - z * along) * inverse_norm
    for lane in range(count):
        n = start + lane
        grad_means[n, 0], grad_means[n, 1], grad_means[n, 2] = (
            lanes[_GMX + lane],
            lanes[_GMY + lane],
            lanes[_GMZ + lane],
        )
        grad_quats[n, 0], grad_quats[n, 1] = lanes[_QW + lane], lanes[_QX + lane]
        grad_quats[n, 2], grad_quats[n, 3] = lanes[_QY + lane], lanes[_QZ + lane]
        grad_scales[n, 0], grad_scales[n, 1] = lanes[_GS0 + lane], lanes[_GS1 + lane]
        grad_scales[n, 2] = lanes[_GS2 + lane]


@njit(**JIT_OPTIONS)
def project_backward(
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
    conics,
    compensations,
    grad_means2d,
    grad_conics,
    grad_depths,
    grad_compensations,
    grad_means,
    grad_quats,
    grad_scales,
):
    """Fills the gradients of means, quats and scales for the Gaussians first..last-1, summed over the cameras.

    Gaussians that a camera does not draw (radius 0) get nothing from it.
    """
    lanes = aligned_floats(_TABLE_SIZE)
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        _load_gaussians(start, last, means, quats, scales, lanes)
        lanes[_U:] = _ZERO
        for c in range(len(viewmats)):
            num_drawn = 0
            for lane in range(count):
                n = start + lane
                lanes[_RADIUS_X + lane] = radii[c, n, 0]
                num_drawn += radii[c, n, 0] > 0
                lanes[_U + lane], lanes[_V + lane] = grad_means2d[c, n, 0], grad_means2d[c, n, 1]
                lanes[_A + lane], lanes[_B + lane] = grad_conics[c, n, 0], grad_conics[c, n, 1]
                lanes[_C + lane], lanes[_Z + lane] = grad_conics[c, n, 2], grad_depths[c, n]
                if len(compensations) > 0 and radii[c, n, 0] > 0:
                    # compensation^2 = det(I - eps2d X), with X the conic
                    xx, xy, yy = eps2d * conics[c, n, 0], eps2d * conics[c, n, 1], eps2d * conics[c, n, 2]
                    factor = eps2d * grad_compensations[c, n] / compensations[c, n]
                    lanes[_A + lane] -= _HALF * factor * (_ONE - yy)
                    lanes[_B + lane] -= factor * xy
                    lanes[_C + lane] -= _HALF * factor * (_ONE - xx)
            if num_drawn > 0:
                camera = _camera(viewmats[c], Ks[c], width, height)
                _project_lanes_backward(camera, eps2d, lanes)
        _store_gradients(start, count, lanes, grad_means, grad_quats, grad_scales)
