"""From measures to a verdict: only measures that were calibrated may speak, and where two disagree nothing is sure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import torch

from .measurement import Measurement
from .view_posterior import ViewLikelihood, front_measures, view_posterior

MIN_LOWER_BOUND = 0.8
"""A measure whose AUC may be smaller (lower bound of its 95 % interval) is reported and not used."""


class Verdict(Enum):
    """What a result is, apart from how good it looks."""

    OK = "ok"
    REPEATED = "repeated"
    """Two or more faces, or one that reaches round: the Janus failure."""
    COLLAPSED = "collapsed"
    """Every side shows one picture."""
    FACELESS = "faceless"
    FRONTLESS = "frontless"
    """The prompt's object has no front, or no word for a view fits any side."""
    UNSURE = "unsure"


@dataclass(frozen=True)
class MeasureKind:
    """A number and what it is meant to detect."""

    detects: Verdict
    sign: int
    """+1 where a large number means so, -1 where a small one does."""
    meaning: str


MEASURES: dict[str, MeasureKind] = {
    "second front": MeasureKind(Verdict.REPEATED, 1, "largest p(front) 90 degrees or more from the front"),
    "front excess": MeasureKind(Verdict.REPEATED, 1, "share of views whose likeliest word is front, less 1/4"),
    "front arcs": MeasureKind(Verdict.REPEATED, 1, "arcs with p(front) above 0.5; 2 for one wider than 180 degrees"),
    "view information": MeasureKind(Verdict.REPEATED, -1, "mutual information of azimuth and view word over log 3"),
    "best similarity": MeasureKind(Verdict.REPEATED, 1, "largest similarity after a turn of 90, 120 or 180 degrees"),
    "front peak": MeasureKind(Verdict.FACELESS, -1, "largest p(front)"),
    "least similarity": MeasureKind(Verdict.COLLAPSED, 1, "smallest similarity after such turns"),
    "camera gap": MeasureKind(Verdict.OK, 1, "1 - error with true cameras / error with cameras in wrong orders"),
    "word confidence": MeasureKind(Verdict.FRONTLESS, -1, "mean probability of the likeliest view word"),
}
"""Every measure that needs no true object, by name."""
DECIDING = ("second front", "front peak", "least similarity", "camera gap", "word confidence")


@dataclass(frozen=True)
class Threshold:
    """Where a measure separates what it detects from the rest, and how well it did so on objects kept apart."""

    value: float
    auc: float
    low: float
    """Lower bound of the AUC's 95 % interval."""

    @property
    def is_usable(self) -> bool:
        return self.low >= MIN_LOWER_BOUND


@dataclass(frozen=True)
class Calibration:
    """What makes verdicts out of measures of some priors."""

    likelihood: ViewLikelihood
    thresholds: Mapping[str, Threshold]
    prior_fingerprints: tuple[str, ...]
    """Of the priors that it is valid for."""
    num_views: int
    num_noises: int
    content: str
    """What it was made from."""


@dataclass(frozen=True)
class Judgment:
    """A verdict and why."""

    verdict: Verdict
    reason: str
    measures: dict[str, float]
    """By the names of `MEASURES`; those of a prior that was not asked are missing."""
    used: tuple[str, ...] = field(default=())
    """The measures on which it rests."""


def measures_of(found: Measurement, likelihood: ViewLikelihood) -> dict[str, float]:
    """Every measure for which there was a prior, and views."""
    measures = {}
    if found.similarity is not None:
        measures |= {"best similarity": found.similarity.most, "least similarity": found.similarity.least}
    if found.view_errors is not None:
        measures |= word_measures(found.view_errors, likelihood)
    if found.camera_gap is not None:
        measures["camera gap"] = found.camera_gap.gap
    return measures


def word_measures(errors: torch.Tensor, likelihood: ViewLikelihood) -> dict[str, float]:
    """The measures that rest on view words, from errors [V, N]."""
    front = front_measures(view_posterior(errors[None], likelihood))
    return {
        "second front": front.second,
        "front excess": front.excess,
        "front arcs": float(max(front.arcs.count, 2 * front.arcs.is_repeated)),
        "view information": front.information,
        "front peak": front.peak,
        "word confidence": front.confidence,
    }


def judge(measures: Mapping[str, float], calibration: Calibration | None) -> Judgment:
    """The verdict of calibrated measures.

    Frontless where no view word fits better than another, collapsed where all sides are alike. Otherwise the view words
    say faceless, repeated or ok, and the camera gap, where there is one, has to agree.

    Args:
        calibration: None where there is none for these priors.
    """
    if calibration is None:
        return Judgment(Verdict.UNSURE, "no judge with a calibration was asked (--prior)", dict(measures))
    usable = {
        name: MEASURES[name].sign * (measures[name] - calibration.thresholds[name].value) > 0
        for name in DECIDING
        if name in measures and name in calibration.thresholds and calibration.thresholds[name].is_usable
    }
    verdict, reason = _decide(usable)
    return Judgment(verdict, reason, dict(measures), tuple(usable))


def _decide(found: Mapping[str, bool]) -> tuple[Verdict, str]:
    """`found`: for each usable measure, whether it sees what it detects."""
    if found.get("word confidence") or found.get("least similarity"):
        return _of_no_sides(found.get("word confidence"))
    is_in_order = found.get("camera gap")
    if "second front" not in found or "front peak" not in found:
        if is_in_order:
            return Verdict.OK, "the four sides are where the cameras say"
        return Verdict.UNSURE, "no calibrated measure of view words was taken"
    verdict, reason = _of_words(has_no_front=found["front peak"], has_second_front=found["second front"])
    if is_in_order is not None and is_in_order != (verdict is Verdict.OK):
        order = "are" if is_in_order else "are not"
        return Verdict.UNSURE, f"{reason}, but the four sides {order} where the cameras say"
    return verdict, reason


def _of_no_sides(no_word_fits: bool | None) -> tuple[Verdict, str]:
    if no_word_fits is None:
        return Verdict.UNSURE, "all sides look alike, and no prior was asked whether they show a front"
    if no_word_fits:
        return Verdict.FRONTLESS, "no view word fits better than another from anywhere"
    return Verdict.COLLAPSED, "all sides show one picture"


def _of_words(has_no_front: bool, has_second_front: bool) -> tuple[Verdict, str]:
    if has_no_front:
        return Verdict.FACELESS, "no side looks like a front"
    if has_second_front:
        return Verdict.REPEATED, "sides at least 90 degrees apart look like fronts"
    return Verdict.OK, "one side looks like the front"
