"""Distilled results of toybox prompts: the yaw map says what they are, and the measures are checked against it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..toybox.vocabulary import ToyboxCaption
from .auc import Auc, auc_with_interval
from .calibration import DECIDED_APART, by_object, confusion, measures_of_record
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
    return DistilledCheck(confusion(records, calibration), aucs)
