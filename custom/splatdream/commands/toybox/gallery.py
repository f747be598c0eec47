"""`splatdream toybox gallery`: a picture of every object."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("--output", default="toybox.png", metavar="PNG", help="default: toybox.png")


def run(args: argparse.Namespace) -> int:
    from ...storage.images import write_png
    from ...toybox.gallery import gallery_image

    write_png(args.output, gallery_image())
    return 0
