"""The one-key form of an experiment: one key of a configuration takes several values."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..export.contact_sheet import contact_sheet
from ..runner.execution import Executor
from ..runner.results import RunResult, read_result
from ..storage.images import write_png
from .cells import Cell, resolved_study
from .measures import final_asset
from .pictures import NUM_AZIMUTHS, looks_round
from .plan import Plan, Stage, Variant
from .reading import yaml_value
from .records import Record, forget_failures, standing
from .work import work


def parse_variation(text: str) -> tuple[str, list[str]]:
    """`key=value,value,...` as the key and its values.

    Raises:
        ValueError: there is no key, or only one value.
    """
    key, separator, values = text.partition("=")
    parsed = [value for value in values.split(",") if value]
    if not separator or not key or len(parsed) < 2:
        raise ValueError(f"cannot vary {text!r}; write a key and at least two values, e.g. seed=0,1")
    return key, parsed


def compare(
    execute: Executor,
    config: str,
    variation: str,
    folder: str,
    picture: str,
    overrides: Sequence[str] = (),
    size: int = 128,
) -> None:
    """Runs every variant, prints what each cost, and writes a picture with one row a variant.

    Args:
        variation: see `parse_variation`.
        overrides: changes to the configuration that all variants share.
        size: of the rendered views, pixels.

    Raises:
        RuntimeError: a run failed; those that finished are kept.
    """
    key, values = parse_variation(variation)
    shared = {"system.export_after_training": True, **dict(_setting(text) for text in overrides)}
    variants = [Variant(value, (Stage(config, {**shared, key: yaml_value(value)}),)) for value in values]
    study, place = resolved_study(Plan(key, variants)), Path(folder)
    forget_failures(place, study)
    work(study, place, execute, _say)
    now = standing(place, study)
    if now.failed:
        raise RuntimeError("; ".join(str(record.error) for record in now.failed.values()))
    results = {cell.variant: read_result(place / now.finished[cell.key].run) for cell in study.cells}
    results = {value: results[value] for value in values}
    print(f"{key.rsplit('.', maxsplit=1)[-1]:<24} {'Gaussians':>9} {'evaluations':>12} {'seconds':>8}")
    for cell in sorted(study.cells, key=lambda cell: values.index(cell.variant)):
        cost = now.finished[cell.key].numbers["cost"]
        print(f"{cell.variant:<24} {cost['num_gaussians']:>9,} {cost['evaluations']:>12,} {cost['seconds']:>8.1f}")
    write_png(picture, side_by_side(results, size))
    print(f"{picture}: one row a variant, {NUM_AZIMUTHS} azimuths from the front")


def side_by_side(results: Mapping[str, RunResult], size: int) -> Float[Tensor, "H W 3"]:
    """One row a run by its label, seen from all round by the cameras of its own evaluation."""
    rows = [looks_round(final_asset(result), result, size) for result in results.values()]
    columns = [f"{360 * i // NUM_AZIMUTHS}" for i in range(NUM_AZIMUTHS)]
    return contact_sheet(torch.stack(rows), list(results), columns)


def _setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"cannot read '{text}'; overrides are dotted.key=value")
    # The host takes prompts to the letter.
    return key, value if key.endswith("prompt") else yaml_value(value)


def _say(cell: Cell, record: Record | None) -> None:
    if record is None:
        print(cell.variant, flush=True)
