"""`splatdream generate-views`: a prior draws an object from several sides, in a folder that `splatdream fit` reads."""

import argparse
from collections.abc import Sequence

from .arguments import LARGEST_SEED, number, whole

EPILOG = """
A multi-view prior draws its groups (4 views of MVDream) so that the views of one agree; two groups need not agree. Each
step of denoising costs one evaluation a view, or two under guidance: what distillation is compared by.

examples:
  splatdream generate-views "an orange cat" --output outputs/cat-views
  splatdream fit outputs/cat-views --hold-out-every 0
  splatdream train --config sample-then-fit system.prompt_processor.prompt="an orange cat"   # both in one run
"""


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = "Views of a sentence drawn from a diffusion prior, with their cameras (docs/photographs.md)."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("prompt", help='e.g. "an orange cat"')
    parser.add_argument("--prior", default="toybox-mvdream", metavar="NAME", help="default: toybox-mvdream")
    parser.add_argument("--views", type=whole(2, 1000), default=4, metavar="N", help="default: 4")
    parser.add_argument(
        "--elevations", type=number(-90, 90), nargs="+", default=[15.0], metavar="DEGREES", help="default: 15"
    )
    parser.add_argument("--steps", type=whole(1, 1000), default=50, metavar="N", help="of denoising (default: 50)")
    parser.add_argument("--guidance-scale", type=number(0), default=3.0, metavar="S", help="1 is none (default: 3)")
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0, help="default: 0")
    parser.add_argument(
        "--output", default="outputs/generated-views", metavar="FOLDER", help="default: outputs/generated-views"
    )


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    import torch

    from ..guidance.sampled_views import named_views, sampling_cameras
    from ..guidance.view_sampling import SamplingOptions, sample_views
    from ..photographs.transforms_file import write_views
    from ..priors.judges import load_judge
    from ..prompts.view_prompts import make_view_prompts
    from .generate import folder_name

    folder_name(args.prompt)  # a prompt without words costs no model
    prior = load_judge(args.prior)
    cameras = sampling_cameras(args.views, prior.views_per_group, args.elevations, size=64)
    prompts = make_view_prompts(args.prompt, is_view_dependent=prior.views_per_group == 1)
    options = SamplingOptions(args.steps, args.guidance_scale)
    rgb, cost = sample_views(prior, prompts, cameras, torch.ones(len(cameras), 3), options, args.seed)
    print(f"{len(rgb)} views of {rgb.shape[2]} x {rgb.shape[1]} pixels, {cost} denoiser evaluations")
    print(write_views(Path(args.output), named_views(rgb, cameras)))
    return 0
