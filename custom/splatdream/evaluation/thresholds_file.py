"""Calibrations as a JSON file that the package ships, and which prior is which."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..priors.base import DiffusionPrior
from ..storage.atomic_file import write_text
from .verdict import Calibration, Threshold
from .view_posterior import ViewLikelihood

SHIPPED = Path(__file__).with_name("thresholds.json")


def prior_fingerprint(prior: DiffusionPrior) -> str:
    """Of the content of a prior: the hashes of its files where it has files, else its whole record."""
    record = prior.manifest()
    content = {key: record[key] for key in ("files", "encoders") if key in record} or record
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def write_calibration(path: Path, calibration: Calibration) -> Path:
    """As JSON that a person can read."""
    return write_text(path, json.dumps(asdict(calibration), indent=2) + "\n")


def read_calibration(path: Path = SHIPPED) -> Calibration:
    """The calibration of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else.
    """
    values = json.loads(path.read_text())
    try:
        likelihood = values.pop("likelihood")
        thresholds = {name: Threshold(**threshold) for name, threshold in values.pop("thresholds").items()}
        values["prior_fingerprints"] = tuple(values["prior_fingerprints"])
        return Calibration(
            likelihood=ViewLikelihood(tuple(likelihood["biases"]), likelihood["temperature"]),
            thresholds=thresholds,
            **values,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' does not hold thresholds as calibration writes them ({error})") from error


def calibration_for(
    priors: Sequence[DiffusionPrior], num_views: int, num_noises: int, path: Path = SHIPPED
) -> Calibration | None:
    """The calibration, if it was made with these priors and with no more views and noises; None if not."""
    calibration = read_calibration(path)
    if num_views < calibration.num_views or num_noises < calibration.num_noises:
        return None
    is_known = all(prior_fingerprint(prior) in calibration.prior_fingerprints for prior in priors)
    return calibration if priors and is_known else None
