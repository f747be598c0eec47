"""Claims: of processes that share a folder one makes a thing. A claim ends with its process, however that ends."""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def claim(path: Path, note: str = "") -> Iterator[bool]:
    """Whether nobody else has what the path stands for; then it is claimed within the block.

    Args:
        note: what others may read of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        # The system releases it when the process is killed: no claim is ever left behind.
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        # Beside the lock, which others cannot read on every system.
        path.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname(), "note": note}))
        yield True
    finally:
        lock.release()


def claimant(path: Path) -> Mapping[str, object] | None:
    """The process, the host and the note of who has claimed it; None where nobody has."""
    if not path.is_file():
        return None
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return last_claimant(path)
    lock.release()
    return None


def last_claimant(path: Path) -> Mapping[str, object] | None:
    """The same of a claim that may have ended."""
    return _read(path.read_text()) if path.is_file() else None


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f"{path.name}.lock"))


def _read(text: str) -> Mapping[str, object]:
    try:
        return json.loads(text)
    except ValueError:  # being written at this moment
        return {"process": 0, "host": "", "note": ""}
