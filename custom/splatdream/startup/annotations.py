"""Which modules have annotations that can be checked while running (`--typecheck`, and always in the tests)."""

from pathlib import Path

_NUMBA_PREFIX = "numba_"


def annotated_modules() -> list[str]:
    """Full names of this package's modules, without those that Numba compiles: it cannot compile a wrapped function."""
    package = Path(__file__).parents[1]
    plugin, names = __package__.rpartition(".")[0], []
    for path in sorted(package.rglob("*.py")):
        if path.stem != "__init__" and not path.stem.startswith(_NUMBA_PREFIX):
            names.append(".".join([plugin, *path.relative_to(package).with_suffix("").parts]))
    return names
