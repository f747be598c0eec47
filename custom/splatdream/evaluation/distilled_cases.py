"""Distilled results of toybox prompts: the yaw map says what they are, and the measures are checked against it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..toybox.vocabulary import ToyboxCaption
from .auc import Auc, auc_with_interval
from .calibration import confusion, measures_of_record
from .calibration_records import CaseRecord
from .ground_truth import RenderFunction, evaluate_against_toybox
from .verdict import DECIDING, MEASURES, Calibration, Verdict


@dataclass(frozen=True)
class DistilledCase:
    """One result of a run, as `calibration_cases.Case`."""

    key: str
    caption: ToyboxCaption
    render: RenderFunction
    turn_deg: float = 0.0

    @property
    def kind(self) -> str:
        """The class by the true object: seconds of work."""
        return evaluate_against_toybox(self.render, str(self.caption)).label

    def render_function(self) -> RenderFunction:
        return self.render


@dataclass(frozen=True)
class DistilledCheck:
    """How thresholds that were fixed elsewhere do on distilled results."""

    confusion: dict[str, dict[str, int]]
    """Class by the true object -> verdict without it -> number of results."""
    auc: dict[str, Auc]
    """Of the deciding measures for which both classes occur."""


def check_distilled(records: Sequence[CaseRecord], calibration: Calibration, seed: int = 0) -> DistilledCheck:
    """Nothing is fitted here. `kind` of the records is the class by the true object."""
    generator = torch.Generator().manual_seed(seed)
    numbers = {record.key: measures_of_record(record, calibration.likelihood) for record in records}
    aucs = {}
    for name in DECIDING:
        detects, sign = MEASURES[name].detects, MEASURES[name].sign
        positives: dict[str, list[float]] = {}
        negatives: dict[str, list[float]] = {}
        for record in records:
            if record.kind == detects.value:
                side = positives
            elif detects in (Verdict.OK, Verdict.COLLAPSED, Verdict.FRONTLESS) or record.kind == Verdict.OK.value:
                side = negatives
            else:
                continue
            side.setdefault(record.object_name, []).append(sign * numbers[record.key][name])
        if positives and negatives:
            aucs[name] = auc_with_interval(positives, negatives, generator)
    return DistilledCheck(confusion(records, calibration), aucs)
