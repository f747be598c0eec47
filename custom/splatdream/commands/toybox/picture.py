"""`splatdream toybox picture`: one object as a picture with an alpha channel, to make it 3D again."""

import argparse
from collections.abc import Sequence

from ..arguments import number, whole


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("prompt", help='e.g. "a blue robot wearing a red hat"; `splatdream list words`')
    parser.add_argument("--output", default="outputs/toy.png", metavar="PNG", help="default: outputs/toy.png")
    parser.add_argument("--elevation", type=number(-89, 89), default=15.0, help="of the camera, degrees (default: 15)")
    parser.add_argument("--azimuth", type=number(-360, 360), default=0.0, help="likewise; 0 is the front (default: 0)")
    parser.add_argument("--size", type=whole(1, 4096), default=256, help="pixels of a side (default: 256)")


def run(args: argparse.Namespace) -> int:
    from ...cameras.batch import orbit_cameras
    from ...storage.pictures import write_picture
    from ...toybox.objects import build_scene
    from ...toybox.ray_tracer import trace
    from ...toybox.vocabulary import parse_caption

    camera = orbit_cameras([args.elevation], [args.azimuth], width=args.size, height=args.size)
    write_picture(args.output, trace(build_scene(parse_caption(args.prompt).without_view), camera)[0])
    print(args.output)
    return 0
