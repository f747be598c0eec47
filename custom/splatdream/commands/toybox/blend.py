"""`splatdream toybox blend`: a prior between two trainings."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..arguments import number


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = "Weights between those of a prior and of a training that started from it."
    parser.add_argument("start", metavar="START", help="a packaged prior's name, or a pipeline's folder")
    parser.add_argument("end", metavar="END", help="the folder that was trained from it")
    parser.add_argument("--share", type=number(0, 1), required=True, help="0 is START, 1 is END")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="the new pipeline")


def run(args: argparse.Namespace) -> int:
    from ...priors.model_ids import packaged_folder
    from ...toybox_training.blending import blend

    print(blend(packaged_folder(args.start) or Path(args.start), Path(args.end), args.share, Path(args.output)))
    return 0
