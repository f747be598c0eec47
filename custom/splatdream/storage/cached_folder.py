"""Folders that are made from files, once for their contents, and kept in the cache folder."""

import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from .cache_folder import cache_folder


def cached_folder(name: str, made_from: Iterable[Path], make: Callable[[Path], None]) -> Path:
    """The folder that `make` wrote from files of this size and time; it is there whole or not at all.

    Args:
        name: what its path in the cache folder begins with.
        make: writes into an empty folder.
    """
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in made_from]
    whole = cache_folder() / f"{name}-{hashlib.sha256(repr(stats).encode()).hexdigest()[:16]}"
    if not whole.exists():
        fresh = whole.with_name(f".{whole.name}.{uuid.uuid4().hex}")
        fresh.mkdir(parents=True)
        try:
            make(fresh)
            fresh.rename(whole)
        except OSError:
            if not whole.exists():  # else another process was quicker
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return whole


def files_of(*folders: Path) -> list[Path]:
    """All files of folders, in one order."""
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
