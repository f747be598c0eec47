"""Files appear whole or not at all: no reader and no crash sees half of one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path in the folder of `path`; what the block writes there gets the name `path` when it ends.

    The folder is made when it is missing. If the block raises, the temporary file is removed and an older file at
    `path` stays as it was. The temporary name keeps the suffix, because encoders read the format from it.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full; the subclass is that of the cause.
    """
    path = Path(path)
    # Not built from path.name: a name of the greatest length that the file system allows has no room for a prefix.
    temporary = path.parent / f".part-{secrets.token_hex(6)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(
            f"cannot write {path}: {reason}; choose a folder that can be written and has free space"
        ) from error
    finally:
        if temporary.exists():
            temporary.unlink()


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
