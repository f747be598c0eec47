"""Whether compiled kernels on disk are still what Numba wrote: of damaged ones it fails, or runs what is there."""

import hashlib
import json
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..storage.atomic_file import write_text


def write_digests(path: Path, folder: Path, stems: Sequence[str]) -> None:
    """Notes what the compiled code of some modules is now.

    Args:
        stems: of the modules' files, with which the names of what is compiled of them begin.
    """
    write_text(path, json.dumps({file.name: _digest(file) for file in _files(folder, stems, "nbc")}))


def are_sound(path: Path, folder: Path, stems: Sequence[str]) -> bool:
    """Whether the code is as `write_digests` found it, and every index can be read.

    An index may have changed since: where several processors share the folder, each adds its own code.
    """
    try:
        digests = json.loads(path.read_text())
        is_same = all(_digest(folder / name) == digest for name, digest in digests.items())
        return is_same and all(map(_is_index, _files(folder, stems, "nbi")))
    except (OSError, ValueError, AttributeError):
        return False


def remove_compiled(folder: Path, stems: Sequence[str]) -> None:
    """What is compiled of the modules; Numba compiles it again."""
    for suffix in ("nbi", "nbc"):
        for file in _files(folder, stems, suffix):
            file.unlink(missing_ok=True)


def _files(folder: Path, stems: Sequence[str], suffix: str) -> Iterator[Path]:
    for stem in stems:
        yield from folder.glob(f"{stem}.*.{suffix}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_index(path: Path) -> bool:
    """Two pickles, of which the second begins where the first ends."""
    try:
        with path.open("rb") as file:
            pickle.load(file)
            pickle.load(file)
    except Exception:  # unpickling raises whatever the bytes ask for
        return False
    return True
