"""Thresholds fixed on half of the objects, and how well they do on the other half.

V view texts, N views.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .auc import Auc, auc_with_interval, best_threshold
from .calibration_records import CaseRecord
from .constructed_cases import TRUE, VERDICTS
from .verdict import MEASURES, Calibration, MeasureKind, Threshold, Verdict, judge, word_measures
from .view_posterior import ViewLikelihood

Numbers = Mapping[str, Mapping[str, float]]
"""Key of a case -> measure -> number."""
CONTROLLED = ("second front", "front peak")
"""The measures for which the view words are permuted as a negative control."""
DECIDED_APART = (Verdict.COLLAPSED, Verdict.FRONTLESS, Verdict.OK)
"""Decided before the others, or confirming them: what detects these has to tell them from everything else that has a
front, true objects included."""


@dataclass(frozen=True)
class CalibrationResult:
    """A calibration and its figures, all but the thresholds from objects that were kept apart."""

    calibration: Calibration
    fit_objects: list[str]
    test_objects: list[str]
    auc_by_kind: dict[str, dict[str, Auc]]
    """Measure -> kind of case -> AUC of that kind against true objects."""
    control: dict[str, Auc]
    """Measures of view words, the words permuted for every render: 0.5 but for chance."""
    confusion: dict[str, dict[str, int]]
    """Kind of case -> verdict -> number of test cases."""


def calibrate(
    records: Sequence[CaseRecord], fingerprints: Sequence[str], num_views: int, num_noises: int
) -> CalibrationResult:
    """Every second object, in the order of their names, fixes thresholds; the others give the figures.

    Raises:
        ValueError: there are fewer than two objects.
    """
    fit, test = _halves(records)
    likelihood = fit_likelihood([record for record in fit if record.kind == TRUE])
    numbers = {record.key: measures_of_record(record, likelihood) for record in records}
    generator = torch.Generator().manual_seed(0)
    thresholds = {name: _threshold(fit, test, numbers, name, generator) for name in MEASURES}
    calibration = Calibration(
        likelihood, thresholds, tuple(fingerprints), num_views, num_noises, "constructed toybox cases"
    )
    permuted = {record.key: word_measures(_with_permuted_words(record, generator), likelihood) for record in test}
    return CalibrationResult(
        calibration=calibration,
        fit_objects=sorted({record.object_name for record in fit}),
        test_objects=sorted({record.object_name for record in test}),
        auc_by_kind={name: _by_kind(test, numbers, name, generator) for name in MEASURES},
        control={name: _auc(test, permuted, name, *_sides(MEASURES[name]), generator) for name in CONTROLLED},
        confusion=confusion(test, calibration),
    )


def _halves(records: Sequence[CaseRecord]) -> tuple[list[CaseRecord], list[CaseRecord]]:
    """Those of every second faced object and of every second one without a front, by name; and the others."""
    faced = sorted({record.object_name for record in records if record.kind == TRUE})
    frontless = sorted({record.object_name for record in records if record.kind == "no front"})
    if len(faced) < 2:
        raise ValueError(f"a calibration needs cases of at least two faced objects, got {len(faced)}")
    first = {*faced[::2], *frontless[::2]}
    fit = [record for record in records if record.object_name in first]
    return fit, [record for record in records if record.object_name not in first]


def _threshold(
    fit: Sequence[CaseRecord], test: Sequence[CaseRecord], numbers: Numbers, name: str, generator: torch.Generator
) -> Threshold:
    measure = MEASURES[name]
    positives, negatives = (
        torch.tensor([number for group in by_object(fit, numbers, name, kinds).values() for number in group])
        for kinds in _sides(measure)
    )
    auc = _auc(test, numbers, name, *_sides(measure), generator)
    return Threshold(measure.sign * best_threshold(positives, negatives), auc.value, auc.low)


def fit_likelihood(records: Sequence[CaseRecord]) -> ViewLikelihood:
    """Biases and temperature under which the right words of known views are likeliest."""
    errors = torch.cat([record.errors for record in records], dim=1).double()
    words = torch.cat([torch.tensor(record.true_words) for record in records])
    scale = errors.std(dim=0).mean()
    parameters = torch.zeros(3, dtype=torch.float64, requires_grad=True)  # two biases and log temperature, scaled
    optimizer = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        biases = torch.cat([parameters[:2], torch.zeros(1).double()])
        logits = -(errors / scale - biases[:, None]) / parameters[2].exp()
        value = torch.nn.functional.cross_entropy(logits.T, words)
        value.backward()
        return value

    optimizer.step(loss)
    front, side, log_temperature = parameters.detach().tolist()
    scale = float(scale)
    return ViewLikelihood((front * scale, side * scale, 0.0), float(torch.tensor(log_temperature).exp()) * scale)


def measures_of_record(record: CaseRecord, likelihood: ViewLikelihood) -> dict[str, float]:
    """All measures of a case."""
    return word_measures(record.errors, likelihood) | {
        "best similarity": record.similarity_most,
        "least similarity": record.similarity_least,
        "camera gap": record.camera_gap,
    }


def confusion(records: Sequence[CaseRecord], calibration: Calibration) -> dict[str, dict[str, int]]:
    """How many cases of each kind get which verdict."""
    table: dict[str, Counter[str]] = {}
    for record in records:
        verdict = judge(measures_of_record(record, calibration.likelihood), calibration).verdict.value
        table.setdefault(record.kind, Counter())[verdict] += 1
    return {kind: dict(verdicts) for kind, verdicts in table.items()}


def _sides(measure: MeasureKind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds of cases that a measure has to detect, and those that it has to tell them from."""
    positives = tuple(kind for kind, verdict in VERDICTS.items() if verdict == measure.detects.value)
    if measure.detects in DECIDED_APART:
        return positives, tuple(kind for kind in VERDICTS if kind not in (*positives, "no front"))
    return positives, (TRUE,)


def _by_kind(records: Sequence[CaseRecord], numbers: Numbers, name: str, generator: torch.Generator) -> dict[str, Auc]:
    """Each kind against true objects. What detects true objects is taken the other way round."""
    sign = -1 if MEASURES[name].detects is Verdict.OK else 1
    kinds = [kind for kind in VERDICTS if kind != TRUE]
    return {kind: _auc(records, numbers, name, (kind,), (TRUE,), generator, sign) for kind in kinds}


def _auc(
    records: Sequence[CaseRecord],
    numbers: Numbers,
    name: str,
    positives: Sequence[str],
    negatives: Sequence[str],
    generator: torch.Generator,
    sign: int = 1,
) -> Auc:
    sides = (by_object(records, numbers, name, kinds, sign) for kinds in (positives, negatives))
    return auc_with_interval(*sides, generator)


def by_object(
    records: Sequence[CaseRecord], numbers: Numbers, name: str, kinds: Collection[str], sign: int = 1
) -> dict[str, list[float]]:
    """The numbers of a measure in cases of some kinds, larger for what it detects."""
    groups: dict[str, list[float]] = {}
    for record in records:
        if record.kind in kinds:
            groups.setdefault(record.object_name, []).append(sign * MEASURES[name].sign * numbers[record.key][name])
    return groups


def _with_permuted_words(record: CaseRecord, generator: torch.Generator) -> Float[Tensor, "V N"]:
    """The view words permuted for every single render: a measure that still works has not looked at them."""
    errors = record.errors
    order = torch.stack([torch.randperm(len(errors), generator=generator) for _ in range(errors.shape[1])], dim=1)
    return errors.gather(0, order)
