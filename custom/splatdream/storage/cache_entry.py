"""Entries of a cache are sound or absent: one that is missing, damaged or cannot be written costs only time."""

import hashlib
import logging
from pathlib import Path

from .atomic_file import write_bytes

_DIGEST_SIZE = hashlib.sha256().digest_size
_log = logging.getLogger(__name__)


def read_entry(path: Path) -> bytes | None:
    """What `write_entry` stored there; None if that is nothing, was changed since, or belongs to another name."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("the cached %s cannot be read and is made again: %s", path, error)
        return None
    content = stored[_DIGEST_SIZE:]
    if _digest(path, content) != stored[:_DIGEST_SIZE]:
        _log.warning("the cached %s is damaged and is made again", path)
        return None
    return content


def write_entry(path: Path, content: bytes) -> None:
    """A digest, then the content: whole or not at all. Where nothing can be written, a warning."""
    try:
        write_bytes(path, _digest(path, content) + content)
    except OSError as error:
        _log.warning("%s is not cached, it cannot be written: %s", path, error)


def _digest(path: Path, content: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + b"\0" + content).digest()
