"""Claims: of processes that share a folder one makes a thing. A claim ends with its process, however that ends."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(path: Path, note: str = "") -> Iterator[bool]:
    """Whether nobody else has what the path stands for; then it is claimed within the block.

    Args:
        note: what others may read of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            # The kernel releases it when the process is killed: no claim is ever left behind.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        file.truncate(0)
        file.write(json.dumps({"process": os.getpid(), "note": note}))
        file.flush()
        yield True


def claimant(path: Path) -> Mapping[str, object] | None:
    """The process and the note of who has claimed it; None where nobody has."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(file.read())
    except FileNotFoundError:
        pass
    return None


def last_claimant(path: Path) -> Mapping[str, object] | None:
    """The same of a claim that may have ended."""
    return _read(path.read_text()) if path.is_file() else None


def _read(text: str) -> Mapping[str, object]:
    try:
        return json.loads(text)
    except ValueError:  # being written at this moment
        return {"process": 0, "note": ""}
