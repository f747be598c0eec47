"""`splatdream lab report`: write the report of what is there."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = "Writes report.md, report.csv, report.tex and report.html to the folder, and prints the first."
    parser.add_argument("folder", metavar="FOLDER", help="of `lab run --output`")
    parser.add_argument("--picture", metavar="PNG", help="draw a row a prompt and a column a variant, front and back")
    parser.add_argument("--budget", metavar="WORDS", help='of the picture, e.g. "150 steps" (default: the first one)')


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...laboratory.cells import read_study
    from ...laboratory.findings import budgets
    from ...laboratory.overview import overview
    from ...laboratory.records import standing
    from ...laboratory.report import write_report
    from ...laboratory.tuning import read_tuning
    from ...laboratory.tuning_report import write_tuning_report
    from ...storage.images import write_png

    folder = Path(args.folder).absolute()
    if (tuning := read_tuning(folder)) is not None:
        if args.picture:
            raise ValueError(f"{folder} holds a tuning, whose results are not drawn; leave --picture out")
        print(write_tuning_report(tuning, folder))
        return 0
    study = read_study(folder)
    if args.picture:
        budget = args.budget if args.budget is not None else budgets(study)[0]
        write_png(args.picture, overview(study, folder, standing(folder, study), budget))
    print(write_report(study, folder))
    return 0
