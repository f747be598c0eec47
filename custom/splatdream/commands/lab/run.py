"""`splatdream lab run`: make every result of an experiment that is not there yet, and the report."""

import argparse
from collections.abc import Sequence

from .crew import chosen_crew, configure_crew


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "A second call makes what is missing, what has failed, and what a change of the experiment has outdated. "
        "docs/laboratory.md says what an experiment's file holds."
    )
    parser.add_argument("file", metavar="FILE.yaml", help="an experiment: a file, or the name of a shipped one")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="runs, results and the report")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys at the top of the file, e.g. seeds=[0,1]"
    )
    parser.add_argument("--tuned", metavar="FOLDER", help="of `lab tune --output`: take the settings that it chose")
    configure_crew(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and what it will cost; make nothing")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...laboratory.cells import check_owner, resolved_study
    from ...laboratory.cost import cost_text
    from ...laboratory.plan import read_plan
    from ...laboratory.report import write_report
    from ...laboratory.tuning import tuned_plan
    from ...laboratory.workers import run_study
    from ...runner.execution import InProcess
    from ...startup.shipped import EXPERIMENTS, find_config

    folder = Path(args.output).absolute()
    plan = read_plan(find_config(args.file, EXPERIMENTS), args.set)
    check_owner(plan.name, folder)
    plan, tuning = tuned_plan(plan, Path(args.tuned).absolute()) if args.tuned else (plan, None)
    study = resolved_study(plan, None if args.dry_run else folder / "steps.json", tuning)
    if args.dry_run:
        print(cost_text(study, folder, InProcess()))
        return 0
    crew = chosen_crew(args)
    study.write(folder)
    run_study(study, folder, crew)
    write_report(study, folder)
    print(f"report     {folder / 'report.html'}")
    return 0
