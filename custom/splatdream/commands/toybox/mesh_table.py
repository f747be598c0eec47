"""`splatdream toybox mesh-table`: every object meshed, its texture refined, measured before and after."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("--config", default="configs/quickstart.yaml", metavar="YAML", help="of the first stage")
    parser.add_argument(
        "--texture-configs",
        nargs="*",
        default=["distilled=configs/toybox-texture.yaml", "painted=configs/toybox-texture-denoise.yaml"],
        metavar="NAME=YAML",
        help="of the second stage, by the name that the table gives it",
    )
    parser.add_argument("--folder", default="outputs/mesh-table", help="runs and results; a second call goes on there")
    parser.add_argument("--objects", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--overrides", nargs="*", default=[], metavar="KEY=VALUE", help="of every second stage")
    parser.add_argument("--report", metavar="MD", help="write the table there, too")


def run(args: argparse.Namespace) -> int:
    from ...experiments.mesh_table import make_mesh_table
    from ...runner.execution import InProcess

    pairs = [pair.partition("=") for pair in args.texture_configs]
    configs = {name: path for name, _, path in pairs}
    make_mesh_table(InProcess(), args.config, configs, args.folder, args.objects, args.report, args.overrides)
    return 0
