"""Results that a crash cannot corrupt: one JSON object a line, appended and flushed; a half-written line is ignored."""

import json
import os
from collections.abc import Mapping
from pathlib import Path


class ResultsStore:
    """Rows of results in a file, each under a key that says which run it belongs to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, key: str, row: Mapping[str, object]) -> None:
        """Appends a row; it is on disk when this returns."""
        line = json.dumps({"key": key, **row})
        with self._path.open("a+b") as file:
            # A crash may have left half a line: what follows must not be glued to it.
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self) -> dict[str, dict[str, object]]:
        """The newest complete row of every key."""
        if not self._path.exists():
            return {}
        rows = {}
        for line in self._path.read_text(errors="replace").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            rows[row["key"]] = row
        return rows
