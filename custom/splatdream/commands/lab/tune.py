"""`splatdream lab tune`: as many trials for every variant, on prompts that are not those of the test."""

import argparse
from collections.abc import Sequence

from .crew import chosen_crew, configure_crew


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Chooses settings as the file's key `tune` says, writes all trials to the folder, and prints them; `lab run "
        "--tuned FOLDER` takes the settings. A second call makes what is missing."
    )
    parser.add_argument("file", metavar="FILE.yaml", help="an experiment with a key tune")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="runs, trials and what was chosen")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys at the top of the file")
    configure_crew(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what it will cost; make nothing")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...laboratory.cells import check_owner
    from ...laboratory.cost import cost_text
    from ...laboratory.plan import read_plan
    from ...laboratory.tuning import tune, tuning_name, tuning_of, untuned_study
    from ...laboratory.tuning_report import write_tuning_report
    from ...laboratory.workers import run_study
    from ...runner.execution import InProcess
    from ...startup.shipped import EXPERIMENTS, find_config

    folder = Path(args.output).absolute()
    plan = read_plan(find_config(args.file, EXPERIMENTS), args.set)
    tuning = tuning_of(plan)
    check_owner(tuning_name(plan), folder)
    if args.dry_run:
        print(f"{tuning.trials} trials of each of {len(plan.variants)} variants; one trial of each:")
        print(cost_text(untuned_study(plan), folder, InProcess()))
        return 0
    crew = chosen_crew(args)
    found = tune(plan, folder, lambda study: run_study(study, folder, crew))
    print(write_tuning_report(found, folder))
    return 0
