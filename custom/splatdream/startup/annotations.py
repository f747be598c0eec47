"""Which modules have annotations that can be checked while running (`--typecheck`, and always in the tests)."""

from pathlib import Path

_COMPILED_PREFIXES = ("numba_", "warp_")


def annotated_modules() -> list[str]:
    """Full names of this package's modules, without those that Numba or Warp compiles, which cannot be wrapped."""
    package = Path(__file__).parents[1]
    plugin, names = __package__.rpartition(".")[0], []
    for path in sorted(package.rglob("*.py")):
        if path.stem != "__init__" and not path.stem.startswith(_COMPILED_PREFIXES):
            names.append(".".join([plugin, *path.relative_to(package).with_suffix("").parts]))
    return names
