"""Starting, pausing, stopping and resuming real runs; knows nothing of a page."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from ..runner.checking import check_request
from ..runner.execution import LOG, placed, what_went_wrong
from ..runner.request import RunRequest, setting
from .processes import begin, end, go_on, is_paused, pause, process_of
from .saved_runs import last_checkpoint, saved_run

_PLACES = ("exp_root_dir", "name", "tag", "timestamp", "use_timestamp")
"""Keys that say where a run goes, which the studio decides: no page may have files written elsewhere."""
_LONGEST_NAME = 60


class State(Enum):
    """Of a run."""

    NONE = "not begun"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Steering:
    """Runs below one folder, one of them under way at a time.

    Args:
        folder: each run gets a folder in it.
        options: of `splatdream train`, for every run, e.g. --gpu 1.
    """

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.folder = folder.absolute()
        self._options = list(options)
        self.current: Path | None = None
        """The run that was begun or resumed last."""

    def start(self, request: RunRequest) -> Path:
        """Begins a run and returns its folder, at once.

        Raises:
            ValueError, FileNotFoundError: the request cannot be met; nothing was made.
            RuntimeError: another run is under way.
        """
        self._require_rest()
        for override in request.overrides:
            key = override.partition("=")[0].strip().lstrip("+~")
            if key in _PLACES:
                raise ValueError(f"{key} is set, but the studio chooses where runs go; leave it out")
        check_request(request)
        folder = self._new_folder(request.prompt or request.label)
        self._begin(["--config", request.config, *request.settings()], folder)
        return folder

    def pause(self, folder: Path) -> None:
        """Suspends the run's process at once: no step is lost, and memory is kept.

        Raises:
            RuntimeError: it is not running.
        """
        process = process_of(folder)
        if process is None:
            raise RuntimeError(f"{folder.name} is not running; only a run under way can be paused")
        pause(process)

    def resume(self, folder: Path) -> None:
        """Goes on with a paused run where it stood, or with one that has ended from its last checkpoint.

        Raises:
            RuntimeError: it is running, or another run is under way, or it has nothing left to do.
            ValueError: it wrote no configuration before it ended.
        """
        process = process_of(folder)
        if process is not None:
            if not is_paused(process):
                raise RuntimeError(f"{folder.name} is running already")
            go_on(process)
            self.current = folder
            return
        self._require_rest()
        run = saved_run(folder)
        if run is None:
            raise ValueError(f"{folder.name} ended before it wrote its configuration; start it again")
        if run.has_finished:
            raise RuntimeError(f"{folder.name} has finished its {run.max_steps} steps; there is nothing to resume")
        checkpoint = last_checkpoint(folder)
        again = [] if checkpoint is None else [setting("resume", str(checkpoint))]
        self._begin(["--config", str(folder / "configs" / "parsed.yaml"), *again], folder)

    def stop(self, folder: Path) -> None:
        """Ends the run's process as Ctrl-C would, and waits for that. What was saved can be resumed."""
        process = process_of(folder)
        if process is not None:
            end(process)

    def state(self, folder: Path | None) -> State:
        if folder is None:
            return State.NONE
        process = process_of(folder)
        if process is not None:
            return State.PAUSED if is_paused(process) else State.RUNNING
        run = saved_run(folder)
        if run is not None and run.has_finished:
            return State.FINISHED
        return State.FAILED if self.error(folder) else State.STOPPED

    def error(self, folder: Path) -> str:
        """Of a run that has ended by itself too early, one sentence; else empty."""
        log = folder / LOG
        said = log.read_text(errors="replace") if log.is_file() else ""
        has_error = re.search(r"^error: |^Traceback ", said, flags=re.MULTILINE)
        return what_went_wrong(1, log) if has_error else ""

    def close(self) -> str:
        """Ends what is under way; says in one sentence what was ended, and how it can be resumed."""
        if not self.is_busy():
            return "nothing was running"
        folder = self.current
        self.stop(folder)
        checkpoint = last_checkpoint(folder)
        where = f"resume={checkpoint}" if checkpoint else "it had saved no step yet"
        return f"stopped {folder.name}; the next studio can resume it ({where})"

    def _begin(self, arguments: Sequence[str], folder: Path) -> None:
        begin([*self._options, *arguments, *placed(folder)], folder)
        self.current = folder

    def is_busy(self) -> bool:
        """Whether a run that was begun here is under way."""
        return self.current is not None and process_of(self.current) is not None

    def _require_rest(self) -> None:
        if self.is_busy():
            raise RuntimeError(f"{self.current.name} is under way; stop it first, one run has the machine at a time")

    def _new_folder(self, text: str) -> Path:
        name = re.sub(r"[^\w.=+-]+", "_", text)[:_LONGEST_NAME].strip("_") or "run"
        stamp = time.strftime("%Y%m%d-%H%M%S")
        names = (f"{name}-{stamp}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 100))))
        return next(self.folder / each for each in names if not (self.folder / each).exists())


def with_saved_steps(request: RunRequest, every: int) -> RunRequest:
    """The request, with a checkpoint after so many steps, all of them kept."""
    saving = ["checkpoint.save_last=true", "checkpoint.save_top_k=-1", f"checkpoint.every_n_train_steps={every}"]
    return replace(request, overrides=[*saving, *request.overrides])
