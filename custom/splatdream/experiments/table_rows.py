"""What tables of many runs share: they run what is missing, measure every run once, and say how far they are."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..runner.execution import Runs
from ..runner.request import RunRequest
from ..runner.results import RunResult
from ..storage.atomic_file import write_text

Row = Mapping[str, object]
Obtain = Callable[[Runs, RunRequest], RunResult | None]


@dataclass(frozen=True)
class TableRun:
    """What one row, or several, are measured from."""

    title: str
    """What begins, on the line of progress."""
    chain: Callable[[Obtain], RunResult | None]
    """Asks for a run, and for those before it; `Runs.find` answers with what is there, `Runs.run` makes it."""
    measure: Callable[[RunResult], Row]
    """What is kept beside the run; another table may ask for the same run under another name."""
    facts: Row = field(default_factory=dict)
    """What this table calls it; before the measurements in the row."""


@dataclass
class Progress:
    """Runs done of the runs to do, and the time that the rest will take at the pace so far."""

    total: int
    done: int = 0
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def line(self, what: str) -> str:
        """What begins now, e.g. "[3/44] a green cat, painted, 12 min to go"."""
        text = f"[{self.done + 1}/{self.total}] {what}"
        if self.done == 0:
            return text
        seconds = (self.clock() - self.started) / self.done * (self.total - self.done)
        return f"{text}, {seconds / 60:.0f} min to go" if seconds >= 60 else f"{text}, {seconds:.0f} s to go"


def measured_rows(table: str, wanted: Mapping[str, TableRun], folder: Path) -> dict[str, Row]:
    """A row for each key, with the folder of its run. Each is kept beside its run, so a second call goes on from there.

    Args:
        table: name of the kind of row.
        folder: named when something is kept.

    Raises:
        RuntimeError: a run failed; the rows so far are kept.
    """
    rows = {key: _row(table, run, run.chain(Runs.find)) for key, run in wanted.items()}
    missing = [key for key, row in rows.items() if row is None]
    if len(missing) < len(rows):
        print(f"{len(rows) - len(missing)} of {len(rows)} results are in {folder} and are kept", flush=True)
    progress = Progress(len(missing))
    for key in missing:
        run = wanted[key]
        print(progress.line(run.title), flush=True)
        result = run.chain(Runs.run)
        write_text(_row_path(table, result), json.dumps(run.measure(result)))
        rows[key] = _row(table, run, result)
        progress.done += 1
    return rows


def publish(text: str, report: str | None) -> None:
    """Prints a table and writes it to `report`."""
    print(text)
    if report is not None:
        write_text(report, text)


def _row(table: str, run: TableRun, result: RunResult | None) -> Row | None:
    """The row of a run that is finished and measured."""
    if result is None or not _row_path(table, result).is_file():
        return None
    return {**run.facts, **json.loads(_row_path(table, result).read_text()), "folder": str(result.folder)}


def _row_path(table: str, result: RunResult) -> Path:
    return result.folder / "save" / f"row-of-{table}.json"
