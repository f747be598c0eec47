"""`splatdream lab work`: be one more worker of an experiment."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = "Ends when nothing is left to do, or when the process that started it has ended."
    parser.add_argument("folder", metavar="FOLDER", help="of `lab run --output`")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...laboratory.cells import read_study
    from ...laboratory.workers import work_in

    folder = Path(args.folder).absolute()
    work_in(folder, read_study(folder))
    return 0
