"""One result judged by everything there is: priors, and the true object where the prompt is the toybox's."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ..priors.base import DiffusionPrior
from ..toybox.vocabulary import parse_caption
from .ground_truth import GroundTruthReport, RenderFunction, evaluate_against_toybox
from .measurement import Measurement, MeasurementPlan, measure, plan_for
from .thresholds_file import calibration_for, prior_fingerprint
from .verdict import Calibration, Judgment, Verdict, judge, measures_of
from .view_posterior import ViewLikelihood


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

    @property
    def likelihood(self) -> ViewLikelihood:
        return self.calibration.likelihood if self.calibration else ViewLikelihood()

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
            "similarity_by_turn_deg": self.found.similarity.by_turn_deg,
            "appearance": asdict(self.found.appearance),
            "basis": {
                "judges": list(self.judges),
                "plan": asdict(self.plan),
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
    calibration = calibration_for(priors, plan.num_views, plan.num_noises)
    likelihood = calibration.likelihood if calibration else ViewLikelihood()
    judgment = judge(measures_of(found, likelihood), calibration)
    truth = None
    if is_toybox_prompt(prompt):
        truth = evaluate_against_toybox(render, prompt, plan.distance, plan.fovy_deg)
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
