"""What a worker does: takes cells that nobody has, makes their runs, measures them, and writes down what came out.

Any number of workers may share a folder, also when they were started apart from each other.
"""

import time
from collections.abc import Callable
from pathlib import Path

from ..runner.execution import Executor, Runs
from ..runner.fingerprint import fingerprint
from ..runner.request import RunRequest
from ..runner.results import RunResult
from ..storage.images import write_png
from .cells import Cell, Study, started_from
from .claims import claim
from .measures import MEASURES, final_asset
from .pictures import strip
from .records import Record, claim_path, numbers_known, picture_path, settled

_PAUSE_S = 0.5
Notice = Callable[[Cell, Record | None], None]
"""Hears of a cell when it begins, and of its record when it has ended."""


def _say_nothing(cell: Cell, record: Record | None) -> None:
    pass


class _Busy(Exception):
    """Another worker makes what is needed."""


def work(
    study: Study,
    folder: Path,
    execute: Executor,
    notice: Notice = _say_nothing,
    may_go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Returns when every cell is settled, by this worker or by others.

    Args:
        may_go_on: asked before each cell.
    """
    left = study.made_cells
    while left:
        busy = []
        for cell in left:
            if not may_go_on():
                return
            if not settle(cell, study, folder, execute, notice):
                busy.append(cell)
        if len(busy) == len(left):
            # Whoever has them may be killed: then they are free again.
            time.sleep(_PAUSE_S)
        left = busy


def settle(cell: Cell, study: Study, folder: Path, execute: Executor, notice: Notice = _say_nothing) -> bool:
    """Makes a cell and writes down what came out; False where another worker has it, or a run that it needs."""
    with claim(claim_path(folder, cell.key), cell.key) as is_mine:
        if not is_mine:
            return False
        if settled(folder, cell, study.measures) is not None:
            return True
        notice(cell, None)
        try:
            record = _made(cell, study, folder, execute)
        except _Busy:
            return False
        except Exception as error:  # whatever a run or a measure does, the others go on
            record = Record(cell.key, f"{' '.join(str(error).split()) or type(error).__name__}")
        record.write(folder)
        notice(cell, record)
        return True


def _made(cell: Cell, study: Study, folder: Path, execute: Executor) -> Record:
    results = finished_stages(cell, folder, execute)
    asset, run = final_asset(results[-1]), results[-1].folder.relative_to(folder).as_posix()
    known = numbers_known(folder, cell, run)
    asked = [name for name in study.measures if name not in known]
    numbers = {**known, **{name: dict(MEASURES[name].numbers(asset, cell.prompt, results[-1])) for name in asked}}
    write_png(picture_path(folder, cell.key), strip(asset, results[-1]))
    seconds = sum(result.seconds for result in results)
    return Record(cell.key, None, run, round(seconds, 2), numbers)


def finished_stages(cell: Cell, folder: Path, execute: Executor) -> list[RunResult]:
    """The runs of a cell, those made that are not there.

    Raises:
        ValueError, OSError, RuntimeError: as `Runs.run`.
    """
    runs, results = Runs(folder / "runs", execute), []
    for stage in cell.stages:
        request = started_from(stage, results[-1] if results else None)
        results.append(_run_by_one(runs, request, folder))
    return results


def _run_by_one(runs: Runs, request: RunRequest, folder: Path) -> RunResult:
    # Cells may share a first stage.
    with claim(claim_path(folder, fingerprint(request))) as is_mine:
        if not is_mine:
            raise _Busy
        return runs.run(request)
