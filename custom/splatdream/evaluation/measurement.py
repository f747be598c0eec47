"""Everything about a result that needs no true object, in one pass: the views, and what priors say of them.

N views at equally spaced azimuths, once round; V view texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.evaluation import turntable_cameras
from ..priors.base import DiffusionPrior
from .appearance import Appearance, SelfSimilarity, appearance, self_similarity
from .camera_gap import NUM_SIDES, CameraGap, camera_gap
from .given_views import LARGEST_ANGLE_DEG, GivenViews
from .ground_truth import RenderFunction
from .view_posterior import view_errors


@dataclass(frozen=True)
class MeasurementPlan:
    """How a result is looked at."""

    num_views: int = 12
    num_noises: int = 4
    """For each view and text; the camera gap takes half as many."""
    size: int = 64
    """Pixels of the views."""
    elevation_deg: float = 15.0
    distance: float = 2.5
    """World units; objects have a radius of about 1."""
    fovy_deg: float = 49.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_views < 12 or self.num_views % 12:
            raise ValueError(f"the number of views is {self.num_views}, but must be a positive multiple of 12")
        if self.num_noises < 1:
            raise ValueError(f"the number of noises is {self.num_noises}, but must be at least 1")

    def cameras(self) -> CameraBatch:
        return turntable_cameras(self.num_views, self.elevation_deg, self.distance, self.fovy_deg, self.size, self.size)


@dataclass(frozen=True)
class Measurement:
    """What was found, before any threshold."""

    images: Float[Tensor, "N H W 3"]
    azimuth_deg: Float[Tensor, "N"]
    """Where they were taken from."""
    similarity: SelfSimilarity | None
    """None where no views once round were given."""
    appearance: Appearance
    view_errors: Float[Tensor, "V N"] | None
    """Means over the noises; None without a prior of single views, or without views once round."""
    camera_gap: CameraGap | None
    """None without a multi-view prior, or without views of four sides."""


def measure(
    render: RenderFunction, prompt: str, priors: Sequence[DiffusionPrior], plan: MeasurementPlan = MeasurementPlan()
) -> Measurement:
    """Renders once round and asks every prior what it can tell.

    Args:
        priors: at most one of single views and one of groups of four.

    Raises:
        ValueError: a prior cannot read the prompt, or looks at groups of another size.
    """
    cameras = plan.cameras()
    rgb, alpha = (part.float() for part in render(cameras))
    rgb = rgb.clamp(0, 1)
    ring = _Ring(rgb, cameras)
    return Measurement(
        rgb,
        cameras.azimuth_deg,
        self_similarity(rgb),
        appearance(rgb, alpha),
        _view_errors(priors, ring, prompt, plan),
        _camera_gap(priors, ring.sides(), prompt, plan),
    )


def measure_views(
    given: GivenViews, prompt: str, priors: Sequence[DiffusionPrior], plan: MeasurementPlan
) -> tuple[Measurement, list[str]]:
    """What given views can tell, those nearest to the plan's cameras in their place; and what they cannot, a line each.

    Raises:
        ValueError: as `measure`.
    """
    asked, unmeasured = plan.cameras(), []
    if given.stand_for(asked):
        chosen = given[given.nearest(asked)]
        ring = _Ring(chosen.rgb, chosen.cameras)
        sides = ring.sides()
    else:
        chosen, ring, quarters = given, None, asked[:: plan.num_views // NUM_SIDES]
        four = given[given.nearest(quarters)] if given.stand_for(quarters) else None
        sides = None if four is None else _Ring(four.rgb, four.cameras)
        unmeasured.append(
            f"front arcs and likeness after turns: no {plan.num_views} views once round, each within "
            f"{LARGEST_ANGLE_DEG:.0f} degrees of elevation {plan.elevation_deg:.0f}"
        )
        if sides is None:
            unmeasured.append(f"camera gap: no views of four sides, each within {LARGEST_ANGLE_DEG:.0f} degrees")
    found = Measurement(
        chosen.rgb,
        chosen.cameras.azimuth_deg,
        None if ring is None else self_similarity(ring.rgb),
        appearance(given.rgb, given.alpha),
        None if ring is None else _view_errors(priors, ring, prompt, plan),
        None if sides is None else _camera_gap(priors, sides, prompt, plan),
    )
    return found, unmeasured


@dataclass(frozen=True)
class _Ring:
    """Views once round, in the order of their azimuths."""

    rgb: Float[Tensor, "N H W 3"]
    cameras: CameraBatch

    def sides(self) -> "_Ring":
        rows = list(range(0, len(self.rgb), len(self.rgb) // NUM_SIDES))
        return _Ring(self.rgb[rows], self.cameras[rows])


def _view_errors(
    priors: Sequence[DiffusionPrior], ring: _Ring, prompt: str, plan: MeasurementPlan
) -> Float[Tensor, "V N"] | None:
    for prior in priors:
        if prior.views_per_group == 1:
            return view_errors(prior, ring.rgb, ring.cameras, prompt, plan.num_noises, plan.seed).mean(dim=0)
    return None


def _camera_gap(priors: Sequence[DiffusionPrior], sides: _Ring, prompt: str, plan: MeasurementPlan) -> CameraGap | None:
    for prior in priors:
        if prior.views_per_group > 1:
            return camera_gap(prior, sides.rgb, sides.cameras, prompt, max(1, plan.num_noises // 2), plan.seed)
    return None


def plan_for(priors: Sequence[DiffusionPrior], plan: MeasurementPlan) -> MeasurementPlan:
    """The plan with views as large as the largest that a prior looks at."""
    return replace(plan, size=max((getattr(prior, "image_size", plan.size) for prior in priors), default=plan.size))
