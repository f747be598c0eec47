"""The process of a run in the background: it outlives the page, and is found again by what its folder says."""

import json
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from ..runner.execution import LOG, ChildProcess
from ..storage.atomic_file import write_text
from ..viewer.run_window import WINDOW

_PROCESS = "process.json"
_PATIENCE_S = 20.0
"""A run that is told to end has so long to write what it is writing."""


def begin(arguments: Sequence[str], folder: Path) -> None:
    """Trains what arguments of `splatdream train` say, in a session of its own; what it says goes to the run's log.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("w") as log:
        process = psutil.Process(ChildProcess().begin(arguments, log, in_background=True).pid)
    record = {"process": process.pid, "created": process.create_time()}
    write_text(folder / WINDOW / _PROCESS, json.dumps(record))


def process_of(folder: Path) -> psutil.Process | None:
    """The process that trains in a folder, whoever began it there; None where none does any more."""
    try:
        record = json.loads((folder / WINDOW / _PROCESS).read_text())
        process = psutil.Process(record["process"])
        # Numbers of processes come again, the moments of their beginning do not.
        is_it = process.create_time() == record["created"]
        if is_it and process.status() == psutil.STATUS_ZOMBIE:
            process.wait()  # ours, and ended
            return None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
    return process if is_it else None


def is_paused(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


def pause(process: psutil.Process) -> None:
    """Takes the processor from it and from what it began; memory, that of a GPU included, stays as it is."""
    for each in _family(process):
        with suppress(psutil.NoSuchProcess):
            each.suspend()


def go_on(process: psutil.Process) -> None:
    """The opposite of `pause`."""
    for each in reversed(_family(process)):
        with suppress(psutil.NoSuchProcess):
            each.resume()


def end(process: psutil.Process) -> None:
    """Ends it as Ctrl-C would, paused or not, and waits until it has; by force where it does not listen."""
    family = _family(process)
    go_on(process)
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT)
    for each in psutil.wait_procs(family, timeout=_PATIENCE_S)[1]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(family, timeout=_PATIENCE_S)


def _family(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []
