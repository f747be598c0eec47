"""`splatdream compare`: one key of a configuration with several values."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Variants that finished in an earlier call are not run again, unless something that decides them changed."
    )
    parser.add_argument("--config", required=True, metavar="YAML", help="the run's configuration")
    parser.add_argument("--vary", required=True, metavar="KEY=A,B,...", help="e.g. system.guidance.method=sds,csd,ism")
    parser.add_argument("--folder", default="outputs/compare", help="runs go there (default: outputs/compare)")
    parser.add_argument("--picture", default="compare.png", metavar="PNG", help="one row a variant")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes that all variants share")


def run(args: argparse.Namespace) -> int:
    from ..laboratory.comparison import compare
    from ..runner.execution import InProcess

    compare(InProcess(), args.config, args.vary, args.folder, args.picture, args.overrides)
    return 0
