"""What one attempt came to, and the table of many."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 900.0
EXPECTED = (ValueError, OSError, ImportError)
"""What a reader may raise: the commands make a sentence of it."""


@dataclass
class Tally:
    """Attempts of one kind."""

    name: str
    tried: int = 0
    findings: list[str] = field(default_factory=list)

    def add(self, label: str, fault: str | None) -> None:
        """Counts an attempt; `fault` is what was not clean about it."""
        self.tried += 1
        if fault is not None:
            self.findings.append(f"{label}: {fault}")
            print(f"not clean: {self.name}, {label}: {fault}", file=sys.stderr, flush=True)

    def row(self) -> str:
        return f"| {self.name} | {self.tried:,} | {self.tried - len(self.findings):,} | {len(self.findings):,} |"


def table(tallies: Sequence[Tally]) -> str:
    """Markdown."""
    return "\n".join(["| what | tried | clean | not clean |", "|---|---:|---:|---:|", *(one.row() for one in tallies)])


def fault_of_call(call: Callable[[], object]) -> str | None:
    """None where the call returned or raised what a command says in a sentence; else what else it raised."""
    try:
        call()
    except EXPECTED as error:
        return None if str(error) else f"{type(error).__name__} without a word"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:120]} ({Path(place.filename).name}:{place.lineno})"
    return None


def environment(**changes: str) -> dict[str, str]:
    paths = [str(ROOT / "custom"), *filter(None, [os.environ.get("PYTHONPATH")])]
    fixed = {"PYTHONPATH": os.pathsep.join(paths), "SPLATDREAM_HOST": "embedded", "OMP_NUM_THREADS": "1"}
    return os.environ | fixed | changes


def started(arguments: Sequence[str], env: Mapping[str, str] | None = None, **options: object) -> subprocess.Popen[str]:
    """`splatdream` in a process of its own."""
    command = [sys.executable, "-m", "splatdream", *arguments]
    return subprocess.Popen(
        command,
        env=env or environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def fault_of_process(process: subprocess.Popen[str], may_fail: bool) -> str | None:
    """None where the command ended well, or, where it may fail, with one sentence and an exit code."""
    try:
        errors = process.communicate(timeout=TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return f"it was still running after {TIMEOUT_S:g} s"
    last = (errors.strip().splitlines() or ["no message"])[-1][-200:]
    if "Traceback" in errors:
        return f"a traceback: {last}"
    if process.returncode == 0:
        return None
    if not may_fail or process.returncode < 0:
        return f"exit code {process.returncode}: {last}"
    is_told = any("error: " in line for line in errors.splitlines())
    return None if is_told else f"exit code {process.returncode} without a sentence: {last}"
