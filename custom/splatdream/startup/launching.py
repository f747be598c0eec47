"""`launch.py`: the same command line on whichever host is here."""

import importlib.util
import os
import runpy
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from .annotations import annotated_modules
from .host_choice import chosen_host
from .openmp import wait_without_spinning
from .registration import register_all


def main(argv: Sequence[str]) -> int:
    """Run one launch command (`--config YAML --train ...`); the exit code."""
    wait_without_spinning()
    try:
        host = chosen_host()
    except (ImportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if host == "upstream":
        return _run_upstream(argv)
    from ..embedded_host.launch import main as launch

    return launch(argv, register_all, typechecked_packages=annotated_modules())


def _run_upstream(argv: Sequence[str]) -> int:
    """Hand over to threestudio's launch.py, which loads the plugins in the `custom` folder of the working directory."""
    origin = importlib.util.find_spec("threestudio").origin
    script = Path(origin).parent.parent / "launch.py"
    root = Path(__file__).parents[3]
    if not script.is_file() or Path.cwd() != root:
        script_name = script if script.is_file() else "THREESTUDIO/launch.py"
        command = f"cd {shlex.quote(str(root))} && python {script_name} {shlex.join(argv)}"
        print(f"threestudio is the host here ({origin}); type\n  {command}", file=sys.stderr)
        print("or set SPLATDREAM_HOST=embedded to run without it", file=sys.stderr)
        return 1
    os.environ["SPLATDREAM_HOST"] = "upstream"
    sys.argv = [str(script), *argv]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
    return 0
