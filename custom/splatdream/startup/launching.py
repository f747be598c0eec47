"""`launch.py`, and the verbs of `splatdream` that are its modes: the same command line on whichever host is here."""

import argparse
import importlib.util
import os
import runpy
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ..embedded_host.launch import PROG, parse_arguments
from ..embedded_host.launch import main as launch
from ..embedded_host.mistakes import ADVICE, error_text
from .annotations import annotated_modules
from .host_choice import chosen_host
from .openmp import wait_without_spinning
from .registration import register_all
from .shipped import find_config

__all__ = ["ADVICE", "error_text", "main", "parse_launch"]


def main(argv: Sequence[str], prog: str = PROG) -> int:
    """Run one launch command (`--config YAML --train ...`); the exit code.

    Args:
        prog: how it was called: launch.py, or `splatdream VERB`, which is the first of `argv`.
    """
    wait_without_spinning()
    try:
        host, argv = chosen_host(), _with_config_found(argv)
    except (ImportError, ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if host == "upstream":
        return _run_upstream(argv)
    return launch(argv, register_all, annotated_modules(), prog)


def parse_launch(argv: Sequence[str], prog: str) -> tuple[argparse.Namespace, list[str]]:
    """(options, overrides) of a launch command; ends the program where it cannot be read.

    Raises:
        FileNotFoundError: there is no such configuration.
    """
    args, overrides = parse_arguments(argv, prog)
    args.config = find_config(args.config)
    return args, overrides


def _with_config_found(argv: Sequence[str]) -> list[str]:
    """The arguments, the name of a shipped configuration replaced by its path.

    Raises:
        FileNotFoundError: there is no such configuration.
    """
    found = list(argv)
    for place, argument in enumerate(argv):
        option, equals, value = argument.partition("=")
        if option == "--config" and equals:
            found[place] = f"--config={find_config(value)}"
        elif place and argv[place - 1] == "--config" and not argument.startswith("-"):
            found[place] = find_config(argument)
    return found


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
