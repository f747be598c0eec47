"""`splatdream lab status`: how far an experiment is."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="of `lab run --output`")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...laboratory.cells import read_study
    from ...laboratory.progress import status_text

    folder = Path(args.folder).absolute()
    print(status_text(read_study(folder), folder))
    return 0
