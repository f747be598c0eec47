"""`splatdream lab`: experiments of many runs; one file an action."""

import argparse
from collections.abc import Sequence

from ..main import add_commands

_ACTIONS = {
    "run": "make every result of an experiment that is not there yet, and the report",
    "tune": "choose settings for every variant, on prompts that are not those of the test",
    "status": "how far an experiment is",
    "report": "write the report of what is there",
    "work": "be one more worker of an experiment, also from another machine that shares its folder",
}


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    add_commands(actions, _ACTIONS, __package__, arguments)
