"""The yaw map: which side of the true object each side of a result shows. It tells a repeated face from a collapse.

N views of the result; A azimuths and E elevations of the truth.
"""

from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..cameras.conventions import wrap_degrees
from .image_metrics import psnr_of_mean_squares

FRONT_DEG = 45.0
"""A view shows the front if the true azimuth that it matches is within this of 0."""
WIDE_FRONT_DEG = 180.0
"""A front arc wider than this is a repeated face: a face that reaches round the object."""
COLLAPSE_DEG = 90.0
"""Views that match fewer degrees of true azimuth than this are all the same picture."""
MIN_PSNR = 15.0
"""Decibels, mean of the best matches. Below it, matches mean nothing (see `yaw_map`)."""
MIN_GAIN = 4.0
"""Decibels by which the best matches must beat an empty image: pale or small objects resemble one."""
_SMOOTHING_DEG = 45.0


class YawClass(Enum):
    """What a yaw map shows."""

    OK = "ok"
    """As many sides as the true object, and one front; perhaps turned."""
    REPEATED = "repeated"
    """Two or more fronts, or one that reaches more than half round: the Janus failure."""
    COLLAPSED = "collapsed"
    """Every side shows (nearly) the same picture."""
    UNRECOGNISABLE = "unrecognisable"
    """No side looks like the object from anywhere."""


@dataclass(frozen=True)
class YawMap:
    """m(phi) and what follows from it."""

    azimuth_deg: Float[Tensor, "N"]
    """phi: where the result is seen from."""
    matched_azimuth_deg: Float[Tensor, "N"]
    """m(phi) less `rotation_deg`, in [-180, 180): equal to phi for a true object, turned or not."""
    matched_elevation_deg: Float[Tensor, "N"]
    psnr: Float[Tensor, "N"]
    """Of each view against its best match, decibels."""
    rotation_deg: float
    """The true azimuth that the result shows at azimuth 0, by the best global rotation, in [-180, 180)."""
    num_front_arcs: int
    widest_front_arc_deg: float
    coverage_deg: float
    """Degrees of true azimuth that m reaches: 360 less the largest gap."""
    mean_error_deg: float
    """Mean |m(phi) - phi|: 0 for a true object, turned or not, 90 for sides in no order."""
    label: YawClass


def yaw_map(
    renders: Float[Tensor, "N H W 3"], truth: Float[Tensor, "E A H W 3"], elevation_deg: Float[Tensor, "E"], row: int
) -> YawMap:
    """Match views of a result, all round at one elevation, with views of the truth, and name what they show.

    The classes are looked for in this order.
    Unrecognisable: the best matches have a mean PSNR below `MIN_PSNR`, or beat an empty image by less than `MIN_GAIN`.
    Measured at 64 pixels over the 16 faced objects in 8 colors: of the views of another object of the same color,
    99.5 % fail this; of the right object blurred to 8 x 8 pixels, or behind noise of standard deviation 0.1, none.
    Collapsed: m covers less than `COLLAPSE_DEG`.
    Repeated: two or more front arcs, or a front arc wider than `WIDE_FRONT_DEG`. An arc is a run of views that match
    within `FRONT_DEG` of the front, after a majority vote over `_SMOOTHING_DEG`: a single odd view is not a face.

    Args:
        renders: views at azimuths 0, 360 / N, ... degrees, on white, in [0, 1].
        truth: the true object, likewise, at azimuths 0, 360 / A, ... degrees and the given elevations.
        row: index of the elevation that the renders were taken at.

    Raises:
        ValueError: A is not a multiple of N, so that a turned result has no true counterpart.
    """
    num_views, num_azimuths = len(renders), truth.shape[1]
    if num_azimuths % num_views:
        raise ValueError(f"the truth's {num_azimuths} azimuths must be a multiple of the {num_views} views")
    step_deg, true_step_deg = 360 / num_views, 360 / num_azimuths
    errors = _mean_squares(renders, truth)
    azimuth_deg = torch.arange(num_views, dtype=torch.float32) * step_deg
    # Best global rotation: over the truth at the renders' own elevation.
    stride = num_azimuths // num_views
    turns = torch.arange(num_azimuths)
    counterparts = (torch.arange(num_views) * stride + turns[:, None]) % num_azimuths  # [A, N]
    rotation = int(errors[torch.arange(num_views), row, counterparts].mean(dim=1).argmin())
    best = errors.flatten(1).argmin(dim=1)
    true_azimuth = (best % num_azimuths) * true_step_deg
    psnr = psnr_of_mean_squares(errors.flatten(1).amin(dim=1))
    emptiness = psnr_of_mean_squares((1 - truth).square().mean(dim=(2, 3, 4)).flatten()[best])
    arcs = _arcs(_majority(wrap_degrees(true_azimuth).abs() <= FRONT_DEG, step_deg))
    widest_deg = max(arcs, default=0) * step_deg
    coverage_deg = _coverage_deg(true_azimuth)
    if float(psnr.mean()) < MIN_PSNR or float((psnr - emptiness).mean()) < MIN_GAIN:
        label = YawClass.UNRECOGNISABLE
    elif coverage_deg < COLLAPSE_DEG:
        label = YawClass.COLLAPSED
    elif len(arcs) >= 2 or widest_deg > WIDE_FRONT_DEG:
        label = YawClass.REPEATED
    else:
        label = YawClass.OK
    matched_azimuth_deg = wrap_degrees(true_azimuth - rotation * true_step_deg)
    return YawMap(
        azimuth_deg=azimuth_deg,
        matched_azimuth_deg=matched_azimuth_deg,
        matched_elevation_deg=elevation_deg[torch.div(best, num_azimuths, rounding_mode="floor")],
        psnr=psnr,
        rotation_deg=float(wrap_degrees(torch.tensor(rotation * true_step_deg))),
        num_front_arcs=len(arcs),
        widest_front_arc_deg=widest_deg,
        coverage_deg=coverage_deg,
        mean_error_deg=float(wrap_degrees(matched_azimuth_deg - azimuth_deg).abs().mean()),
        label=label,
    )


def _mean_squares(renders: Float[Tensor, "N H W 3"], truth: Float[Tensor, "E A H W 3"]) -> Float[Tensor, "N E A"]:
    """Mean squared error of every render against every true view."""
    flat = truth.flatten(2).flatten(0, 1)
    # Not by matrix products: their rounding would hide the match of equal images.
    distances = torch.cdist(renders.flatten(1), flat, compute_mode="donot_use_mm_for_euclid_dist")
    return (distances.square() / flat.shape[1]).view(len(renders), *truth.shape[:2])


def _majority(is_front: Bool[Tensor, "N"], step_deg: float) -> Bool[Tensor, "N"]:
    """For each view, what most views within half of `_SMOOTHING_DEG` show."""
    reach = int(_SMOOTHING_DEG / 2 / step_deg)
    votes = sum(is_front.int().roll(shift) for shift in range(-reach, reach + 1))
    return 2 * votes > 2 * reach + 1


def _arcs(is_front: Bool[Tensor, "N"]) -> list[int]:
    """Lengths of the runs of True round the circle."""
    if is_front.all():
        return [len(is_front)]
    flags = is_front.tolist()
    start = flags.index(False)
    lengths, current = [], 0
    for flag in [*flags[start:], *flags[:start], False]:
        if flag:
            current += 1
        elif current:
            lengths.append(current)
            current = 0
    return lengths


def _coverage_deg(azimuth_deg: Float[Tensor, "N"]) -> float:
    """360 less the largest gap between the angles."""
    angles = azimuth_deg.remainder(360).unique()
    gaps = torch.cat([angles[1:], angles[:1] + 360]) - angles
    return 360 - float(gaps.max())
