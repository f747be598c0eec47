"""Distilled results of toybox prompts: the yaw map says what they are, and the measures are checked against it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from ..toybox.vocabulary import ToyboxCaption
from .auc import Auc, auc_with_interval
from .calibration import DECIDED_APART, by_object, confusion, measures_of_record
from .calibration_records import CaseRecord
from .ground_truth import GroundTruthReport, RenderFunction, evaluate_against_toybox
from .rank_correlation import RankCorrelation, rank_correlation
from .verdict import DECIDING, MEASURES, Calibration, Verdict
from .yaw_map import YawMap, front_share

TRUTHS: Mapping[str, Callable[[YawMap], float]] = {
    "share of fronts": front_share,
    "front arcs": lambda yaw_map: float(yaw_map.arcs.count),
    "covered degrees": lambda yaw_map: yaw_map.coverage_deg,
    "yaw error": lambda yaw_map: yaw_map.mean_error_deg,
}
"""Numbers of the yaw map that the measures are compared with."""


@dataclass(frozen=True)
class DistilledCase:
    """One result of a run, as `calibration_cases.Case`."""

    key: str
    caption: ToyboxCaption
    render: RenderFunction
    turn_deg: float = 0.0

    @property
    def kind(self) -> str:
        """The class by the true object."""
        return self._report.label

    @property
    def truth(self) -> dict[str, float]:
        """What the yaw map says in numbers, by the names of `TRUTHS`."""
        return {name: number(self._report.yaw_map) for name, number in TRUTHS.items()}

    @functools.cached_property
    def _report(self) -> GroundTruthReport:
        """Seconds of work."""
        return evaluate_against_toybox(self.render, str(self.caption))

    def render_function(self) -> RenderFunction:
        return self.render


@dataclass(frozen=True)
class DistilledCheck:
    """How thresholds that were fixed elsewhere do on distilled results."""

    confusion: dict[str, dict[str, int]]
    """Class by the true object -> verdict without it -> number of results."""
    auc: dict[str, Auc]
    """Of the deciding measures for which both classes occur."""
    ranks: dict[str, dict[str, RankCorrelation | None]]
    """Of each measure with each of `TRUTHS`; empty where the records have none of these."""


def check_distilled(records: Sequence[CaseRecord], calibration: Calibration) -> DistilledCheck:
    """Nothing is fitted here. `kind` of the records is the class by the true object."""
    generator = torch.Generator().manual_seed(0)
    numbers = {record.key: measures_of_record(record, calibration.likelihood) for record in records}
    aucs = {}
    for name in DECIDING:
        detects = MEASURES[name].detects
        others = {record.kind for record in records} - {detects.value}
        if detects not in DECIDED_APART:
            others &= {Verdict.OK.value}
        sides = [by_object(records, numbers, name, kinds) for kinds in ({detects.value}, others)]
        if all(sides):
            aucs[name] = auc_with_interval(*sides, generator)
    return DistilledCheck(confusion(records, calibration), aucs, _ranks(records, numbers, generator))


def _ranks(
    records: Sequence[CaseRecord], numbers: Mapping[str, Mapping[str, float]], generator: torch.Generator
) -> dict[str, dict[str, RankCorrelation | None]]:
    known = [record for record in records if record.truth is not None]
    if not known:
        return {}
    objects = [record.object_name for record in known]
    return {
        name: {
            truth: rank_correlation(
                [numbers[record.key][name] for record in known],
                [record.truth[truth] for record in known],
                objects,
                generator,
            )
            for truth in TRUTHS
        }
        for name in MEASURES
    }
