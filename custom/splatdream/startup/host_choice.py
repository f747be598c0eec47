"""Which host to run on: threestudio where it is importable, otherwise the embedded one.

The environment variable SPLATDREAM_HOST decides otherwise: `auto` (default), `upstream` or `embedded`.
"""

import importlib.util
import os
import sys


def chosen_host() -> str:
    """'upstream' or 'embedded'.

    Raises:
        ValueError: SPLATDREAM_HOST is something else.
        ImportError: SPLATDREAM_HOST asks for threestudio, which is not importable.
    """
    wish = os.environ.get("SPLATDREAM_HOST", "auto")
    if wish not in ("auto", "upstream", "embedded"):
        raise ValueError(f"SPLATDREAM_HOST is '{wish}', but must be auto, upstream or embedded")
    if wish == "embedded":
        return "embedded"
    if is_upstream_importable():
        return "upstream"
    if wish == "upstream":
        raise ImportError(
            "SPLATDREAM_HOST is 'upstream', but threestudio is not importable; "
            "run its launch.py, or put its folder on PYTHONPATH"
        )
    return "embedded"


def is_upstream_importable() -> bool:
    """Whether `import threestudio` finds the package; a mere folder of that name, such as its checkout, is none."""
    if "threestudio" in sys.modules:
        return True
    spec = importlib.util.find_spec("threestudio")
    return spec is not None and spec.origin is not None
