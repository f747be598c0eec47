"""One result judged by everything there is: priors, and the true object where the prompt is the toybox's."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from ..priors.base import DiffusionPrior
from ..toybox.vocabulary import parse_caption
from .given_views import GivenViews
from .ground_truth import (
    GroundTruthReport,
    RenderFunction,
    evaluate_against_toybox,
    evaluate_views_against_toybox,
)
from .measurement import Measurement, MeasurementPlan, measure, measure_views, plan_for
from .thresholds_file import calibration_for, prior_fingerprint
from .verdict import Calibration, Judgment, Verdict, judge, measures_of
from .view_posterior import ViewLikelihood

_CALIBRATED_DEG = 5.0
"""Views further beside those of the calibration are another case than it was made from."""


@dataclass(frozen=True)
class AssetReport:
    """A verdict and all that it rests on."""

    verdict: Verdict
    reason: str
    prompt: str
    found: Measurement
    judgment: Judgment
    """Of the measures alone, without the true object."""
    truth: GroundTruthReport | None
    calibration: Calibration | None
    plan: MeasurementPlan
    judges: tuple[dict[str, object], ...]
    seconds: float
    unmeasured: tuple[str, ...] = ()
    """What given views could not tell, a line each."""
    largest_angle_deg: float | None = None
    """Of given views, between a camera of the plan and the view that stands for it; None of what was rendered."""

    @property
    def likelihood(self) -> ViewLikelihood:
        return _likelihood(self.calibration)

    @property
    def disagreement(self) -> str:
        """What the measures say against the true object; empty where they agree, are unsure, or there is none."""
        said = self.judgment.verdict
        if self.truth is None or said in (Verdict.UNSURE, self.verdict) or self.verdict is Verdict.UNSURE:
            return ""
        return f"without the true object the verdict would be {said.value}: {self.judgment.reason}"

    def record(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "prompt": self.prompt,
            "measures": self.judgment.measures,
            "without_truth": {
                "verdict": self.judgment.verdict.value,
                "reason": self.judgment.reason,
                "used": list(self.judgment.used),
            },
            "truth": None if self.truth is None else truth_record(self.truth),
            "disagreement": self.disagreement,
            "similarity_by_turn_deg": None if self.found.similarity is None else self.found.similarity.by_turn_deg,
            "appearance": asdict(self.found.appearance),
            "basis": {
                "judges": list(self.judges),
                "plan": asdict(self.plan),
                "largest_angle_deg": self.largest_angle_deg,
                "unmeasured": list(self.unmeasured),
                "calibration": None if self.calibration is None else asdict(self.calibration),
            },
            "seconds": round(self.seconds, 1),
        }


def evaluate_asset(
    render: RenderFunction,
    prompt: str,
    priors: Sequence[DiffusionPrior],
    plan: MeasurementPlan = MeasurementPlan(),  # noqa: B008 - frozen
) -> AssetReport:
    """Measures, judges, and compares with the true object if the toybox knows the prompt.

    Args:
        priors: the judges. In a study none of them may be the one that made the result.

    Raises:
        ValueError: a prior cannot read the prompt.
    """
    start = time.perf_counter()
    plan = plan_for(priors, plan)
    found = measure(render, prompt, priors, plan)
    truth = None
    if is_toybox_prompt(prompt):
        truth = evaluate_against_toybox(render, prompt, plan.distance, plan.fovy_deg)
    calibration = calibration_for(priors, plan.num_views, plan.num_noises)
    judgment = judge(measures_of(found, _likelihood(calibration)), calibration)
    return _reported(prompt, found, judgment, truth, calibration, plan, priors, start)


def evaluate_views(
    given: GivenViews,
    prompt: str,
    priors: Sequence[DiffusionPrior],
    plan: MeasurementPlan = MeasurementPlan(),  # noqa: B008 - frozen
) -> AssetReport:
    """The same for images with cameras, each measure by the views nearest to its cameras.

    Args:
        given: as large as `plan_for` asks.

    Raises:
        ValueError: a prior cannot read the prompt.
    """
    start = time.perf_counter()
    plan = plan_for(priors, plan)
    found, unmeasured = measure_views(given, prompt, priors, plan)
    truth = evaluate_views_against_toybox(given, prompt, plan.size) if is_toybox_prompt(prompt) else None
    if truth is None and is_toybox_prompt(prompt):
        unmeasured.append("comparison with the true object: no views all round")
    angle = float(given.angles_deg(plan.cameras()).max())
    calibration = calibration_for(priors, plan.num_views, plan.num_noises)
    judgment = judge(measures_of(found, _likelihood(calibration)), calibration)
    if calibration is not None and angle > _CALIBRATED_DEG:
        reason = f"views lie up to {angle:.0f} degrees beside those that the measures were calibrated with"
        judgment = replace(judgment, verdict=Verdict.UNSURE, reason=reason, used=())
    return replace(
        _reported(prompt, found, judgment, truth, calibration, plan, priors, start),
        unmeasured=tuple(unmeasured),
        largest_angle_deg=angle,
    )


def _likelihood(calibration: Calibration | None) -> ViewLikelihood:
    return calibration.likelihood if calibration else ViewLikelihood()


def _reported(
    prompt: str,
    found: Measurement,
    judgment: Judgment,
    truth: GroundTruthReport | None,
    calibration: Calibration | None,
    plan: MeasurementPlan,
    priors: Sequence[DiffusionPrior],
    start: float,
) -> AssetReport:
    verdict, reason = (judgment.verdict, judgment.reason) if truth is None else _of_truth(truth)
    judges = tuple({"prior": prior.manifest(), "fingerprint": prior_fingerprint(prior)} for prior in priors)
    seconds = time.perf_counter() - start
    return AssetReport(verdict, reason, prompt, found, judgment, truth, calibration, plan, judges, seconds)


def truth_record(truth: GroundTruthReport) -> Mapping[str, object]:
    """What the comparison with the true object says, as plain values."""
    yaw_map = truth.yaw_map
    return {
        "class": truth.label,
        "recognition_margin_db": truth.recognition.margin_db,
        "front_arcs": asdict(yaw_map.arcs),
        "coverage_deg": yaw_map.coverage_deg,
        "mean_error_deg": yaw_map.mean_error_deg,
        "turn_deg": truth.turn_deg,
        "raw": asdict(truth.raw),
        "turned": asdict(truth.turned),
    }


def _of_truth(truth: GroundTruthReport) -> tuple[Verdict, str]:
    margin = truth.recognition.margin_db
    if not truth.recognition.is_recognizable:
        return (
            Verdict.UNSURE,
            f"not recognizable as {truth.caption}: another toybox object is as near ({margin:.1f} dB)",
        )
    arcs = truth.yaw_map.arcs
    reasons = {
        Verdict.OK: f"one front, {arcs.widest_deg:.0f} degrees wide",
        Verdict.REPEATED: f"{arcs.count} front arcs, the widest of {arcs.widest_deg:.0f} degrees",
        Verdict.COLLAPSED: f"all sides show {truth.yaw_map.coverage_deg:.0f} degrees of the true object",
        Verdict.FACELESS: "no side shows the front",
        Verdict.FRONTLESS: "this object has no front",
    }
    verdict = Verdict(truth.yaw_map.label.value)
    return verdict, f"{reasons[verdict]} (by the true object, {margin:.1f} dB nearer than any other)"


def is_toybox_prompt(prompt: str) -> bool:
    """Whether the true object is known."""
    try:
        parse_caption(prompt)
    except ValueError:
        return False
    return True
