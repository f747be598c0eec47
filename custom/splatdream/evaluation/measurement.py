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
    similarity: SelfSimilarity
    appearance: Appearance
    view_errors: Float[Tensor, "V N"] | None
    """Means over the noises; None without a prior of single views."""
    camera_gap: CameraGap | None
    """None without a multi-view prior."""


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
    errors = gap = None
    for prior in priors:
        if prior.views_per_group == 1:
            errors = view_errors(prior, rgb, cameras, prompt, plan.num_noises, plan.seed).mean(dim=0)
        else:
            sides = list(range(0, plan.num_views, plan.num_views // NUM_SIDES))
            gap = camera_gap(prior, rgb[sides], cameras[sides], prompt, max(1, plan.num_noises // 2), plan.seed)
    return Measurement(rgb, self_similarity(rgb), appearance(rgb, alpha), errors, gap)


def plan_for(priors: Sequence[DiffusionPrior], plan: MeasurementPlan) -> MeasurementPlan:
    """The plan with views as large as the largest that a prior looks at."""
    return replace(plan, size=max((getattr(prior, "image_size", plan.size) for prior in priors), default=plan.size))
