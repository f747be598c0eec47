"""What a person sees while a study is made: a line a cell, and on a terminal one that keeps changing."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from .cells import Cell, Study
from .records import Record, Standing, standing


def time_left(seconds: float) -> str:
    """In words, e.g. "12 min to go"."""
    return f"{seconds / 60:.0f} min to go" if seconds >= 60 else f"{seconds:.0f} s to go"


class Progress:
    """Cells done of the cells to do, and the time that the rest will take at the pace so far."""

    def __init__(
        self, study: Study, folder: Path, clock: Callable[[], float] = time.monotonic, is_terminal: bool | None = None
    ) -> None:
        self._study, self._folder, self._clock = study, folder, clock
        self._is_terminal = sys.stdout.isatty() if is_terminal is None else is_terminal
        before = standing(folder, study)
        self._told = {*before.finished, *before.failed}
        self._started, self._done = clock(), 0
        self._total = len(study.made_cells) - len(self._told)
        if self._told:
            print(f"{len(self._told)} of {len(study.made_cells)} results are in {folder} and are kept", flush=True)

    def notice(self, cell: Cell, record: Record | None) -> None:
        """Of a cell that begins, or has ended, in this process."""
        if record is None:
            self._say(f"[{self._done + 1}/{self._total}] {cell.title}{self._rest()}")
            return
        self._done += 1
        self._told.add(cell.key)
        if record.error is not None:
            self._say(f"  failed: {record.error}")

    def look(self) -> None:
        """Tells what others have done since the last look."""
        now = standing(self._folder, self._study)
        ended = {**now.finished, **now.failed}
        for cell in self._study.made_cells:
            if cell.key in ended and cell.key not in self._told:
                self._told.add(cell.key)
                self._done += 1
                record = ended[cell.key]
                how = f"{record.seconds:.0f} s" if record.error is None else f"failed: {record.error}"
                self._say(f"[{self._done}/{self._total}] {cell.title}, {how}{self._rest()}")
        if self._is_terminal:
            print(f"\r{_line(now)}{self._rest()}\033[K", end="", flush=True)

    def end(self) -> None:
        self._say(standing(self._folder, self._study).line())

    def _rest(self) -> str:
        left = self._total - self._done
        if self._done == 0 or left <= 0:
            return ""
        return f", {time_left((self._clock() - self._started) / self._done * left)}"

    def _say(self, text: str) -> None:
        print(f"\r{text}\033[K" if self._is_terminal else text, flush=True)


def status_text(study: Study, folder: Path) -> str:
    """How far a study is: counts, what runs, what has failed, and the time that the rest takes at that many workers."""
    now = standing(folder, study)
    lines = [f"{study.name}: {now.line()}"]
    lines += [f"  running: {cell.title}" for cell in now.running]
    lines += [f"  failed: {cell.title}: {now.failed[cell.key].error}" for cell in study.cells if cell.key in now.failed]
    left = len(now.running) + len(now.waiting)
    if left and now.finished:
        seconds = fmean(record.seconds for record in now.finished.values())
        lines.append(f"  {time_left(seconds * left / max(1, len(now.running)))}")
    return "\n".join(lines)


def _line(now: Standing) -> str:
    running = "; ".join(cell.title for cell in now.running)
    return f"{now.line()} ({running})" if running else now.line()
