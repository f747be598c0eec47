"""`splatdream toybox score`: what a small prior's images show."""

import argparse
from collections.abc import Sequence

from ..arguments import device, number, whole


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument(
        "prior",
        metavar="PRIOR",
        help="toybox-sd, toybox-mvdream or toybox-flow, the packaged ones, or a folder; of "
        "a Zero-1-to-3, how well it draws other views of objects that it never saw",
    )
    parser.add_argument("--captions", type=whole(1), default=44, help="of each kind, four views each (default: 44)")
    parser.add_argument("--guidance-scale", type=number(0), default=3.0, help="default: 3")
    parser.add_argument("--device", type=device, default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--output", default=None, metavar="JSON", help="write the numbers there, too")
    parser.add_argument("--picture", metavar="PNG", help="draw some of the images there")


def run(args: argparse.Namespace) -> int:
    import json
    from pathlib import Path

    from ...priors.model_ids import packaged_folder
    from ...storage.atomic_file import write_text
    from ...toybox_training.score_report import ScoreOptions, score_prior
    from ...toybox_training.view_score import ViewScoreOptions, score_views

    folder = packaged_folder(args.prior) or Path(args.prior)
    picture = Path(args.picture) if args.picture else None
    if (folder / "image_encoder").is_dir():
        asked = ViewScoreOptions(args.captions, guidance_scale=args.guidance_scale, device=args.device)
        scored: dict = score_views(folder, asked, picture)
    else:
        options = ScoreOptions(args.captions, guidance_scale=args.guidance_scale, device=args.device)
        scored = score_prior(folder, options, picture=picture)
    report = json.dumps(scored, indent=2)
    print(report)
    if args.output:
        write_text(args.output, report + "\n")
    return 0
