"""`splatdream toybox methods-table`: guidance methods at equal denoiser evaluations."""

import argparse
from collections.abc import Sequence


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "A second call goes on where the first one stopped. docs/methods.md says how to read the report."
    )
    parser.add_argument("--set", default="methods", choices=["methods", "janus"], help="of variants (default: methods)")
    parser.add_argument("--variants", nargs="*", metavar="LABEL", help="of the set (default: all)")
    parser.add_argument(
        "--sd", default="toybox-sd", metavar="FOLDER", help="small Stable Diffusion (default: packaged)"
    )
    parser.add_argument("--mvdream", default="toybox-mvdream", metavar="FOLDER", help="likewise, of four views")
    parser.add_argument("--prompts", nargs="*", metavar="TEXT", help="of the toybox (default: six)")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--evaluations", type=int, default=2400, help="of the denoiser, a run (default: 2400)")
    parser.add_argument("--config", default="configs/quickstart-sd.yaml", metavar="YAML", help="what variants share")
    parser.add_argument("--folder", default="outputs/methods-table", help="runs, results and the report")
    parser.add_argument("--overrides", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the configuration")
    parser.add_argument("--report", metavar="MD", help="with a CSV and a PNG beside it (default: FOLDER/SET.md)")


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from ...experiments.method_variants import MVDREAM, PROMPTS, STABLE_DIFFUSION, chosen_variants
    from ...experiments.methods_report import write_report
    from ...experiments.methods_table import TableRequest, run_table
    from ...runner.execution import InProcess

    request = TableRequest(
        variants=chosen_variants(args.set, args.variants),
        prompts=args.prompts or PROMPTS,
        seeds=args.seeds,
        evaluations=args.evaluations,
        models={STABLE_DIFFUSION: args.sd, MVDREAM: args.mvdream},
        config=args.config,
        folder=Path(args.folder),
        overrides=args.overrides,
    )
    report = Path(args.report) if args.report else request.folder / f"{args.set}.md"
    print(write_report(request, run_table(InProcess(), request), report))
    return 0
