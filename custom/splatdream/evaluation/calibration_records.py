"""Measurements of constructed results, one JSON line a case: made once, read by whatever calibrates.

V view texts, N views.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.conventions import wrap_degrees
from ..priors.base import DiffusionPrior
from ..prompts.directions import classify_views
from ..storage.atomic_file import write_text
from .constructed_cases import Case
from .measurement import MeasurementPlan, measure
from .view_posterior import DIRECTIONS


@dataclass(frozen=True)
class CaseRecord:
    """What was measured of one case."""

    key: str
    kind: str
    object_name: str
    true_words: list[int]
    """For each view the text (index into `DIRECTIONS`) that is right of the true object."""
    view_errors: list[list[float]]
    """[V, N]"""
    camera_gap: float
    similarity_most: float
    similarity_least: float
    truth: dict[str, float] | None = None
    """Of a distilled case what the yaw map says in numbers (`distilled_cases.TRUTHS`)."""

    @property
    def errors(self) -> Float[Tensor, "V N"]:
        return torch.tensor(self.view_errors)


def measure_cases(
    cases: Iterable[Case], priors: Sequence[DiffusionPrior], plan: MeasurementPlan, path: Path
) -> list[CaseRecord]:
    """The records of all cases; those that the file already has are not measured again.

    Args:
        priors: one of single views and one of groups of four.
        path: JSON lines; grows by a line when a case is done.
    """
    known = {record.key: record for record in read_records(path)} if path.exists() else {}
    # Without a line that a crash has cut: what follows must not be glued to it.
    write_text(path, "".join(json.dumps(asdict(record)) + "\n" for record in known.values()))
    records = []
    for case in cases:
        if case.key not in known:
            known[case.key] = _measured(case, priors, plan)
            with path.open("a") as file:
                file.write(json.dumps(asdict(known[case.key])) + "\n")
        records.append(known[case.key])
    return records


def read_records(path: Path) -> list[CaseRecord]:
    """All complete lines; a last one that was cut off is left out."""
    lines = path.read_text().split("\n")[:-1]
    return [CaseRecord(**json.loads(line)) for line in lines]


def true_words(azimuth_deg: Float[Tensor, "N"], turn_deg: float, elevation_deg: float) -> Int[Tensor, "N"]:
    """For each view of a result that is turned by `turn_deg`, the text that describes it."""
    seen_deg = wrap_degrees(azimuth_deg - turn_deg)
    directions = classify_views(torch.full_like(seen_deg, elevation_deg), seen_deg)
    return torch.tensor([DIRECTIONS.index(int(direction)) for direction in directions])


def _measured(case: Case, priors: Sequence[DiffusionPrior], plan: MeasurementPlan) -> CaseRecord:
    found = measure(case.render_function(), str(case.caption), priors, plan)
    return CaseRecord(
        key=case.key,
        kind=case.kind,
        object_name=case.caption.object_name,
        true_words=true_words(plan.cameras().azimuth_deg, case.turn_deg, plan.elevation_deg).tolist(),
        view_errors=[[round(float(error), 6) for error in row] for row in found.view_errors],
        camera_gap=found.camera_gap.gap,
        similarity_most=found.similarity.most,
        similarity_least=found.similarity.least,
        truth=case.truth,
    )
