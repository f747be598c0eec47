"""Running what is asked, once: in this process or in one of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..priors.kept import KeptPrior
from ..priors.model_files import file_sha256
from ..startup.launching import ADVICE
from ..startup.launching import main as launch
from .fingerprint import fingerprint
from .request import RunRequest, setting
from .results import RunResult, find_result, newest_files, read_result

Executor = Callable[[Sequence[str], Path], int]
"""Trains what arguments of `splatdream train` say, keeps what is said on stderr in a file, returns the exit code."""

_INTERRUPTED = (130, -signal.SIGINT)
LOG = "run.log"
"""What a run said, in its folder."""
# The record goes first: from then on the folder is not taken for a finished run.
_WRITTEN_BY_A_RUN = ("result.json", "save", "ckpts", "configs", "csv_logs", "tb_logs", "cmd.txt", LOG)
_LINES_OF_ERROR = 3


class InProcess:
    """Trains in this process. A prior that is loaded serves the next run, too, if that asks for the same.

    Args:
        options: of `splatdream train`, for every run, e.g. --quiet.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._kept = KeptPrior()
        self._options = options

    def __call__(self, arguments: Sequence[str], log: Path) -> int:
        with log.open("w") as file, redirect_stderr(_Copied(sys.stderr, file)), self._kept.in_use():
            return launch(["--train", *self._options, *arguments])


@dataclass(frozen=True)
class ChildProcess:
    """Trains in a process of its own, with the package of this one."""

    command: Sequence[str] = (sys.executable, "-m", __name__.split(".")[0])

    def __call__(self, arguments: Sequence[str], log: Path) -> int:
        with log.open("w") as file, self.begin(arguments, file) as process:
            try:
                return process.wait()
            except BaseException:
                process.kill()
                raise

    def begin(self, arguments: Sequence[str], log: TextIO, in_background: bool = False) -> subprocess.Popen:
        """The process, under way.

        Args:
            in_background: whether Ctrl-C in this terminal is none of its business.
        """
        paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        return subprocess.Popen(
            [*self.command, "train", *arguments],
            stdin=subprocess.DEVNULL if in_background else None,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=in_background,
        )


@dataclass(frozen=True)
class Runs:
    """Runs side by side in one folder, each known by its fingerprint."""

    folder: Path
    execute: Executor

    def find(self, request: RunRequest) -> RunResult | None:
        """The run if it is finished."""
        return find_result(self.folder, fingerprint(request))

    def run(self, request: RunRequest) -> RunResult:
        """The run, finished; see `finished_run`."""
        key = fingerprint(request)
        name = re.sub(r"[^\w.=+-]+", "_", request.label)[:100]
        return find_result(self.folder, key) or _run(request, key, self.folder / f"{name}-{key[:8]}", self.execute)


def finished_run(request: RunRequest, folder: Path, execute: Executor) -> RunResult:
    """The request's run in that folder: what is there if it is this run and finished, else made anew.

    Raises:
        ValueError, OSError: the request cannot be read, or the folder not be written.
        RuntimeError: the run failed. Its record says so, and the next call tries again.
    """
    key = fingerprint(request)
    found = read_result(folder)
    return found if found is not None and found.is_finished(key) else _run(request, key, folder, execute)


def _run(request: RunRequest, key: str, folder: Path, execute: Executor) -> RunResult:
    if folder.resolve() in Path(request.config).resolve().parents:
        raise ValueError(f"{request.config} is in the folder that the run would replace; copy it elsewhere")
    _clear(folder)
    began = time.monotonic()
    exit_code = execute(["--config", request.config, *request.settings(), *placed(folder)], folder / LOG)
    if exit_code in _INTERRUPTED:
        raise KeyboardInterrupt
    result = _result(folder, key, exit_code, time.monotonic() - began)
    result.write()
    if result.error is not None:
        raise RuntimeError(f"the run in {folder} failed: {result.error}; what finished before it is kept")
    return result


def placed(folder: Path) -> list[str]:
    """Settings that make a folder that of a run."""
    place = [setting("exp_root_dir", str(folder.parent.parent)), setting("name", folder.parent.name)]
    # A trial's parsed.yaml brings its own timestamp along.
    return [*place, setting("tag", folder.name), "use_timestamp=false", "timestamp="]


def _clear(folder: Path) -> None:
    """Removes what a run wrote that is not the one that is asked for, or did not end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _WRITTEN_BY_A_RUN:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise type(error)(f"cannot write to {folder}: {error.strerror}; choose a folder that is yours") from error


def _result(folder: Path, key: str, exit_code: int, seconds: float) -> RunResult:
    files = newest_files(folder)
    manifest = folder / "save" / "manifest.json"
    measured = json.loads(manifest.read_text()) if manifest.is_file() else {}
    return RunResult(
        fingerprint=key,
        status="failed" if exit_code else "finished",
        error=what_went_wrong(exit_code, folder / LOG) if exit_code else None,
        seconds=round(seconds, 2),
        evaluations=measured.get("denoiser_evaluations"),
        manifest="save/manifest.json" if measured else None,
        files=files,
        checkpoint_sha256=file_sha256(folder / files["checkpoint"]) if "checkpoint" in files else None,
        folder=folder,
    )


def what_went_wrong(exit_code: int, log: Path) -> str:
    """What went wrong: the host's own sentence, or how the process ended and what it said last."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    _, *errors = re.split(r"^error: ", text, flags=re.MULTILINE)
    if errors:  # the last thing that a run says
        return " ".join(errors[-1].removesuffix(f"{ADVICE}\n").split())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    end = f"ended by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
    return " | ".join([end, *lines[-_LINES_OF_ERROR:]])


class _Copied:
    """A stream whose text goes to a file, too."""

    def __init__(self, stream: Any, file: Any) -> None:
        self._stream, self._file = stream, file

    def write(self, text: str) -> int:
        self._file.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
