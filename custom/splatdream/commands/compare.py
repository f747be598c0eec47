"""`splatdream compare`: one key of a configuration with several values."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Variants that finished in an earlier call are not run again, unless something that decides them changed."
    )
    parser.add_argument(
        "--config", required=True, metavar="YAML", help="the run's configuration: a file, or the name of a shipped one"
    )
    parser.add_argument("--vary", required=True, metavar="KEY=A,B,...", help="e.g. system.guidance.method=sds,csd,ism")
    parser.add_argument(
        *("--output", "--folder"),
        default="outputs/compare",
        metavar="FOLDER",
        help="runs go there (default: outputs/compare)",
    )
    parser.add_argument("--picture", metavar="PNG", help="one row a variant (default: compare.png in that folder)")
    parser.add_argument("-q", "--quiet", action="store_true", help="only what was made, warnings and errors")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="changes that all variants share")


def run(args: argparse.Namespace) -> int:
    from ..laboratory.comparison import compare
    from ..runner.execution import InProcess
    from ..startup.shipped import find_config

    execute = InProcess(["--quiet"] if args.quiet else [])
    picture = args.picture or str(Path(args.output) / "compare.png")
    compare(execute, find_config(args.config), args.vary, args.output, picture, args.overrides)
    return 0
