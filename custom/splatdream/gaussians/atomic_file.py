"""A file is there whole or not at all."""

import os
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike, data: bytes) -> Path:
    """Write `data` beside `path` and then rename it, so that no reader and no crash sees half a file.

    Raises:
        OSError: the folder is missing or cannot be written, or the disk is full; the subclass is that of the cause. An
            older file stays as it was and nothing else is left behind.
    """
    path = Path(path)
    # Not built from path.name: a name of the greatest length that the file system allows has no room for more.
    temporary = path.parent / f".part-{secrets.token_hex(6)}"
    try:
        with temporary.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(f"cannot write {path}: {reason}; choose a folder that exists and has free space") from error
    finally:
        if temporary.exists():
            temporary.unlink()
    return path
