"""Files appear whole or not at all: no reader and no crash sees half of one."""

import errno
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_PREFIX = ".part-"
_ABANDONED_S = 3600.0
"""No writer pauses for so long."""


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path in the folder of `path`; what the block writes there gets the name `path` when it ends.

    The folder is made when it is missing. If the block raises, the temporary file is removed and an older file at
    `path` stays as it was. The temporary name keeps the suffix, because encoders read the format from it.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full; the subclass is that of the cause.
    """
    with atomic_paths([path]) as (temporary,):
        yield temporary


@contextmanager
def atomic_paths(paths: Sequence[str | os.PathLike]) -> Iterator[list[Path]]:
    """As `atomic_path`, for files that belong together: all of them appear, after all have been written, or none.

    Raises:
        OSError: as `atomic_path`.
    """
    targets = [Path(path) for path in paths]
    # Not built from path.name: a name of the greatest length that the file system allows has no room for a prefix.
    temporaries = [path.parent / f"{_PREFIX}{secrets.token_hex(6)}{path.suffix}" for path in targets]
    try:
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_old_leftovers(path.parent)
        yield temporaries
        _put_in_place(temporaries, targets)
    except OSError as error:
        raise _cannot_write(targets, error) from error
    finally:
        for temporary in temporaries:
            if temporary.exists():
                temporary.unlink()


def _cannot_write(targets: Sequence[Path], error: OSError) -> OSError:
    names = " and ".join(str(path) for path in targets)
    reason = error.strerror or str(error)
    return type(error)(f"cannot write {names}: {reason}; choose a folder that can be written and has free space")


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes what killed writers left in a folder and below it. The folder must be of nobody else."""
    for path in Path(folder).rglob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)


@cache
def _remove_old_leftovers(folder: Path) -> None:
    """The same, once, in a folder where others may be writing at this moment, such as a cache."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process may be quicker
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()


def _put_in_place(temporaries: Sequence[Path], targets: Sequence[Path]) -> None:
    for temporary in temporaries:
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
    # What could stop the renaming of a later file must stop that of the first, too.
    if any(path.is_dir() for path in targets):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    for temporary, path in zip(temporaries, targets, strict=True):
        temporary.replace(path)


def write_bytes(path: str | os.PathLike, data: bytes) -> Path:
    """Writes `data`, whole or not at all, and returns the path.

    Raises:
        OSError: as `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Writes `text` as UTF-8, whole or not at all, and returns the path.

    Raises:
        OSError: as `atomic_path`.
    """
    return write_bytes(path, text.encode())
