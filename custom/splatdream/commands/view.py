"""`splatdream view`: Gaussians or a mesh in the browser."""

import argparse
from collections.abc import Sequence

from .arguments import whole


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument(
        "path", metavar="FILE", help="Gaussians (.ply, .splat, .spz, .sog, .glb) or a mesh (.glb, .obj, .ply, ...)"
    )
    parser.add_argument("--port", type=whole(1, 65535), default=8080, help="of the page (default: 8080)")
    parser.add_argument(
        *("--output", "--page"), metavar="HTML", help="write a page that needs no network there, and end"
    )


def run(args: argparse.Namespace) -> int:
    from ..viewer.serve import serve_asset, write_asset_page

    if args.output is None:
        serve_asset(args.path, args.port)
    else:
        print(write_asset_page(args.path, args.output))
    return 0
