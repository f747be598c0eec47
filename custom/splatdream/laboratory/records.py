"""What is known of each cell: a small file, written when its run has been measured or has failed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..runner.results import read_result
from ..storage.atomic_file import write_text
from .cells import Cell, Study
from .claims import claimant


@dataclass(frozen=True)
class Record:
    key: str
    """Of the cell."""
    error: str | None = None
    """Of a failed one, one sentence."""
    run: str = ""
    """Folder of the run of the last stage, inside the study's."""
    seconds: float = 0.0
    """Of all stages, imports and pictures included."""
    numbers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What was measured, by measure."""

    def write(self, folder: Path) -> None:
        write_text(_path(folder, self.key), json.dumps(asdict(self)))


def picture_path(folder: Path, key: str) -> Path:
    """The cell's object from all round."""
    return folder / "cells" / f"{key}.png"


def claim_path(folder: Path, key: str) -> Path:
    """Of a cell, or of a run by its fingerprint."""
    return folder / "claims" / key


def settled(folder: Path, cell: Cell, measures: Sequence[str]) -> Record | None:
    """The record of a cell if there is nothing to do for it: it failed, or its run is there and measured."""
    record = _written(folder, cell)
    if record is None or record.error is not None:
        return record
    is_whole = set(measures) <= set(record.numbers) and picture_path(folder, cell.key).is_file()
    return record if is_whole and read_result(folder / record.run) is not None else None


def numbers_known(folder: Path, cell: Cell, run: str) -> Mapping[str, Mapping[str, object]]:
    """What was measured of this run already, by measure; a plan may have come to ask for more."""
    record = _written(folder, cell)
    return record.numbers if record is not None and record.run == run else {}


def _written(folder: Path, cell: Cell) -> Record | None:
    try:
        return Record(**json.loads(_path(folder, cell.key).read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # none, or that of another version
        return None


def forget_failures(folder: Path, study: Study) -> None:
    """They are tried again."""
    for cell in study.cells:
        record = settled(folder, cell, study.measures)
        if record is not None and record.error is not None:
            _path(folder, cell.key).unlink(missing_ok=True)


@dataclass(frozen=True)
class Standing:
    """How far a study is."""

    finished: dict[str, Record]
    """By the cell's key."""
    failed: dict[str, Record]
    running: list[Cell]
    waiting: list[Cell]

    def line(self) -> str:
        """In one line, e.g. "12 done, 2 running, 1 failed, 30 waiting"."""
        parts = (("done", self.finished), ("running", self.running), ("failed", self.failed), ("waiting", self.waiting))
        return ", ".join(f"{len(cells)} {name}" for name, cells in parts)


def standing(folder: Path, study: Study) -> Standing:
    now = Standing({}, {}, [], [])
    for cell in study.made_cells:
        record = settled(folder, cell, study.measures)
        if record is not None:
            (now.finished if record.error is None else now.failed)[cell.key] = record
        else:
            (now.running if claimant(claim_path(folder, cell.key)) else now.waiting).append(cell)
    return now


def _path(folder: Path, key: str) -> Path:
    return folder / "cells" / f"{key}.json"
