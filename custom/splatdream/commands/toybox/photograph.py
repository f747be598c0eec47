"""`splatdream toybox photograph`: a folder of views with cameras, and others to measure against."""

import argparse
from collections.abc import Sequence

from ..arguments import whole

_HELD_OUT_START_DEG = 70.0


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("prompt", help='e.g. "an orange cat"')
    parser.add_argument("--views", type=whole(2, 999), default=24, help="to fit (default: 24)")
    parser.add_argument("--held-out", type=whole(1, 999), default=16, help="to measure against (default: 16)")
    parser.add_argument("--size", type=whole(11, 4096), default=128, help="pixels of a view (default: 128)")
    parser.add_argument(
        "--output", default="outputs/photographs", metavar="FOLDER", help="default: outputs/photographs"
    )


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...photographs.posed_images import PosedImages
    from ...photographs.transforms_file import write_views
    from ...toybox.photographs import photographed, spiral_cameras

    sets = []
    for name, count, start in (("view", args.views, 0.0), ("held-out", args.held_out, _HELD_OUT_START_DEG)):
        cameras = spiral_cameras(count, args.size, start)
        names = tuple(f"images/{name}-{place:03d}.png" for place in range(count))
        sets.append(PosedImages(photographed(args.prompt, cameras), cameras, names))
    print(write_views(Path(args.output), *sets))
    return 0
