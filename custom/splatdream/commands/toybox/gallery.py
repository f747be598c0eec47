"""`splatdream toybox gallery`: a picture of every object."""

import argparse
from collections.abc import Sequence

from ..arguments import whole


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("--output", default="outputs/toybox.png", metavar="PNG", help="default: outputs/toybox.png")
    parser.add_argument("--size", type=whole(1, 4096), default=128, help="pixels of a view (default: 128)")


def run(args: argparse.Namespace) -> int:
    from ...storage.images import write_png
    from ...toybox.gallery import gallery_image

    write_png(args.output, gallery_image(size=args.size))
    print(args.output)
    return 0
