"""The configurations that come with this package: of a checkout its folder configs/, else among what is installed."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ..embedded_host.nearest import suggestion

_CHECKOUT = Path(__file__).parents[3] / "configs"
_INSTALLED = "share/splatdream/configs"
"""As [tool.setuptools.data-files] of pyproject.toml says, below what the environment calls its data folder."""
EXPERIMENTS = "experiments"


def shipped_configs(kind: str = "") -> Mapping[str, Path]:
    """Paths by name, the file's without suffix.

    Args:
        kind: empty for configurations of runs, "experiments" for plans of `splatdream lab run`.
    """
    return {path.stem: path for path in sorted((_folder() / kind).glob("*.yaml"))}


def find_config(name: str | Path, kind: str = "") -> str:
    """The path of a file, or of what is shipped under that name.

    Raises:
        FileNotFoundError: neither is there.
    """
    if Path(name).is_file():
        return str(name)
    shipped = shipped_configs(kind)
    if str(name) in shipped:
        return str(shipped[str(name)])
    hint = suggestion(Path(name).stem, shipped)
    raise FileNotFoundError(f"there is no configuration file '{name}', and none is shipped under that name; {hint}")


def _folder() -> Path:
    if (_CHECKOUT / "quickstart.yaml").is_file():
        return _CHECKOUT
    try:
        installed = files("splatdream") or ()
    except PackageNotFoundError:
        installed = ()
    found = [file for file in installed if file.match(f"{_INSTALLED}/*.yaml")]
    return Path(found[0].locate()).resolve().parent if found else _CHECKOUT
