"""`splatdream toybox table`: every object under every condition of the closed-form prior."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("--config", default="configs/quickstart.yaml", metavar="YAML")
    parser.add_argument(
        "--folder", default="outputs/toybox-table", help="runs and results; a second call goes on there"
    )
    parser.add_argument("--objects", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--conditions", nargs="*", default=["camera", "view_words", "view_blind"], metavar="CONDITION")
    parser.add_argument("--overrides", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the configuration")
    parser.add_argument("--report", default=None, metavar="MD", help="write the table there, too")


def run(args: argparse.Namespace) -> int:
    from ...experiments.toybox_table import make_table
    from ...runner.execution import InProcess

    make_table(InProcess(), args.config, args.folder, args.objects, args.conditions, args.report, args.overrides)
    return 0
