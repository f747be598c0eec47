"""`splatdream lab report`: write the report of what is there."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = "Writes report.md, report.csv, report.tex and report.html to the folder, and prints the first."
    parser.add_argument("folder", metavar="FOLDER", help="of `lab run --output`")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...laboratory.cells import read_study
    from ...laboratory.report import write_report
    from ...laboratory.tuning import read_tuning
    from ...laboratory.tuning_report import write_tuning_report

    folder = Path(args.folder).absolute()
    if (tuning := read_tuning(folder)) is not None:
        print(write_tuning_report(tuning, folder))
        return 0
    print(write_report(read_study(folder), folder))
    return 0
