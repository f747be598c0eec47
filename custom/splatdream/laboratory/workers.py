"""Who makes the cells of a study: this process, or several of this machine."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..runner.execution import InProcess
from .cells import Study
from .claims import claim, last_claimant
from .progress import Progress
from .records import Record, claim_path, forget_failures, settled, standing
from .work import work
from .worker_environment import worker_environment

_POLL_S = 0.3
Crew = Callable[[Study, Path, Progress], None]
"""Makes the cells of a study in a folder and tells the progress; returns when every cell is settled."""


def run_study(study: Study, folder: Path, crew: Crew) -> None:
    """Makes all cells that are missing; failed ones of an earlier call are tried again."""
    forget_failures(folder, study)
    progress = Progress(study, folder)
    crew(study, folder, progress)
    progress.end()


def this_process() -> Crew:
    """Keeps its prior loaded from one study to the next."""
    execute = InProcess()
    return lambda study, folder, progress: work(study, folder, execute, progress.notice)


def local_processes(workers: int) -> Crew:
    """So many, each of which keeps its prior loaded and has its share of the cores.

    Raises:
        ValueError: there cannot be so many.
    """
    if workers < 1:
        raise ValueError(f"--workers {workers} must be at least 0")
    return lambda study, folder, progress: _LocalProcesses(study, folder, workers, progress).run()


def work_in(folder: Path, study: Study) -> None:
    """What each local process does, for as long as the one that started it is there."""
    parent = os.getppid()
    work(study, folder, InProcess(), may_go_on=lambda: os.getppid() == parent)


class _LocalProcesses:
    def __init__(self, study: Study, folder: Path, workers: int, progress: Progress) -> None:
        self._study, self._folder, self._progress = study, folder, progress
        self._environment = os.environ | worker_environment(workers)
        self._number = min(workers, max(1, len(standing(folder, study).waiting)))
        self._processes: list[subprocess.Popen] = []

    def run(self) -> None:
        logs = self._folder / "workers"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        try:
            self._processes = [self._start(logs / f"{number}.log") for number in range(self._number)]
            while self._processes:
                time.sleep(_POLL_S)
                self._progress.look()
                for process in [process for process in self._processes if process.poll() is not None]:
                    self._processes.remove(process)
                    self._replace(process, logs)
        finally:
            for process in self._processes:
                process.terminate()
            for process in self._processes:
                process.wait()
        self._progress.look()

    def _start(self, log: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", __name__.split(".", maxsplit=1)[0], "lab", "work", str(self._folder)]
        with log.open("a") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, env=self._environment)

    def _replace(self, process: subprocess.Popen, logs: Path) -> None:
        """After a worker that did not end by itself: what it was making has failed, and another one takes its place."""
        code = process.returncode
        if code == 0:
            return
        end = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if not self._blame(process.pid, f"its worker {end}; {logs} holds what it said"):
            raise RuntimeError(f"a worker {end} before it began a run; {logs} holds what it said")
        if standing(self._folder, self._study).waiting:
            self._processes.append(self._start(logs / f"after-{process.pid}.log"))

    def _blame(self, pid: int, sentence: str) -> bool:
        """Writes down that the cell of a process has failed; whether it had one."""
        had_one = False
        for cell in self._study.cells:
            path = claim_path(self._folder, cell.key)
            if (last_claimant(path) or {}).get("process") != pid:
                continue
            had_one = True
            with claim(path, cell.key) as is_free:
                if is_free and settled(self._folder, cell, self._study.measures) is None:
                    Record(cell.key, sentence).write(self._folder)
        return had_one
