"""Where caches lie."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$SPLATDREAM_CACHE`, else `~/.cache/splatdream`."""
    configured = os.environ.get("SPLATDREAM_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "splatdream"
