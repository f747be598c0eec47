"""The yaw map: which side of the true object each side of a result shows, hence how many faces it has.

Whether it is the object at all is another question (`recognize`).

N views of the result; A azimuths and E elevations of the truth.
"""

from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.conventions import wrap_degrees
from .front_arcs import FrontArcs, front_arcs, majority
from .image_metrics import psnr_of_mean_squares

FRONT_DEG = 45.0
"""A view shows the front if the true azimuth that it matches is within this of 0."""
COLLAPSE_DEG = 90.0
"""Views that match fewer degrees of true azimuth than this are all the same picture."""


class YawClass(Enum):
    """How many faces a yaw map shows."""

    OK = "ok"
    """As many sides as the true object, and one front; perhaps turned."""
    REPEATED = "repeated"
    """Two or more fronts, or one that reaches more than half round: the Janus failure."""
    COLLAPSED = "collapsed"
    """Every side shows (nearly) the same picture."""
    FACELESS = "faceless"
    """No front at all, of an object that has one."""
    FRONTLESS = "frontless"
    """The true object has no front, so that nothing can be repeated; a Janus rate leaves it out."""


@dataclass(frozen=True)
class YawMap:
    """m(phi) and what follows from it."""

    azimuth_deg: Float[Tensor, "N"]
    """phi: where the result is seen from."""
    matched_azimuth_deg: Float[Tensor, "N"]
    """m(phi) less `rotation_deg`, in [-180, 180): equal to phi for a true object, turned or not."""
    psnr: Float[Tensor, "N"]
    """Of each view against its best match, decibels."""
    rotation_deg: float
    """The true azimuth that the result shows at azimuth 0, by the best global rotation, in [-180, 180)."""
    arcs: FrontArcs
    coverage_deg: float
    """Degrees of true azimuth that m reaches: 360 less the largest gap."""
    mean_error_deg: float
    """Mean |m(phi) - phi|: 0 for a true object, turned or not, 90 for sides in no order."""
    label: YawClass


def front_share(yaw_map: YawMap) -> float:
    """The share of views all round that look most like the front: 7 of 24 for a true object."""
    true_azimuth = wrap_degrees(yaw_map.matched_azimuth_deg + yaw_map.rotation_deg)
    return float((true_azimuth.abs() <= FRONT_DEG).float().mean())


def yaw_map(
    renders: Float[Tensor, "N H W 3"],
    truth: Float[Tensor, "E A H W 3"],
    row: int,
    has_front: bool = True,
) -> YawMap:
    """Match views of a result, all round at one elevation, with views of the truth, and name what they show.

    The classes are looked for in this order.
    Frontless: the true object has no front.
    Collapsed: m covers less than `COLLAPSE_DEG`.
    Repeated: two or more front arcs, or a front arc of more than half of the circle. An arc is a run of views that
    match within `FRONT_DEG` of the front, after a majority vote among neighbors: a single odd view is not a face.
    Faceless: no front arc.

    Args:
        renders: views at azimuths 0, 360 / N, ... degrees, on white, in [0, 1].
        truth: the true object, likewise, at azimuths 0, 360 / A, ... degrees and several elevations.
        row: index of the elevation that the renders were taken at.
        has_front: whether the true object has a front.

    Raises:
        ValueError: A is not a multiple of N, so that a turned result has no true counterpart.
    """
    num_views, num_azimuths = len(renders), truth.shape[1]
    if num_azimuths % num_views:
        raise ValueError(f"the truth's {num_azimuths} azimuths must be a multiple of the {num_views} views")
    true_step_deg = 360 / num_azimuths
    errors = _mean_squares(renders, truth)
    azimuth_deg = torch.arange(num_views, dtype=torch.float32) * (360 / num_views)
    # Best global rotation: over the truth at the renders' own elevation.
    stride = num_azimuths // num_views
    turns = torch.arange(num_azimuths)
    counterparts = (torch.arange(num_views) * stride + turns[:, None]) % num_azimuths  # [A, N]
    rotation = int(errors[torch.arange(num_views), row, counterparts].mean(dim=1).argmin())
    best = errors.flatten(1).argmin(dim=1)
    true_azimuth = (best % num_azimuths) * true_step_deg
    psnr = psnr_of_mean_squares(errors.flatten(1).amin(dim=1))
    arcs = front_arcs(majority(wrap_degrees(true_azimuth).abs() <= FRONT_DEG))
    coverage_deg = _coverage_deg(true_azimuth)
    matched_azimuth_deg = wrap_degrees(true_azimuth - rotation * true_step_deg)
    return YawMap(
        azimuth_deg=azimuth_deg,
        matched_azimuth_deg=matched_azimuth_deg,
        psnr=psnr,
        rotation_deg=float(wrap_degrees(torch.tensor(rotation * true_step_deg))),
        arcs=arcs,
        coverage_deg=coverage_deg,
        mean_error_deg=float(wrap_degrees(matched_azimuth_deg - azimuth_deg).abs().mean()),
        label=_label(arcs, coverage_deg, has_front),
    )


def _label(arcs: FrontArcs, coverage_deg: float, has_front: bool) -> YawClass:
    if not has_front:
        return YawClass.FRONTLESS
    if coverage_deg < COLLAPSE_DEG:
        return YawClass.COLLAPSED
    if arcs.is_repeated:
        return YawClass.REPEATED
    return YawClass.OK if arcs.count else YawClass.FACELESS


def _mean_squares(renders: Float[Tensor, "N H W 3"], truth: Float[Tensor, "E A H W 3"]) -> Float[Tensor, "N E A"]:
    """Mean squared error of every render against every true view."""
    flat = truth.flatten(2).flatten(0, 1)
    # Not by matrix products: their rounding would hide the match of equal images.
    distances = torch.cdist(renders.flatten(1), flat, compute_mode="donot_use_mm_for_euclid_dist")
    return (distances.square() / flat.shape[1]).view(len(renders), *truth.shape[:2])


def _coverage_deg(azimuth_deg: Float[Tensor, "N"]) -> float:
    """360 less the largest gap between the angles."""
    angles = azimuth_deg.remainder(360).unique()
    gaps = torch.cat([angles[1:], angles[:1] + 360]) - angles
    return 360 - float(gaps.max())
