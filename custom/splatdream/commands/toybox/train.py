"""`splatdream toybox train`: the small priors."""

import argparse
from collections.abc import Sequence

from ..arguments import LARGEST_SEED, device, number, whole

_STARTABLE = ("sd", "mvdream", "flow")


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Train one of the small priors: first vae, then sd, then mvdream, flow or zero123. A second call with the same "
        "--output goes on where the first one stopped. docs/toybox-priors.md."
    )
    parser.add_argument("network", choices=["vae", "sd", "mvdream", "flow", "zero123"])
    parser.add_argument(
        *("--output", "--folder"),
        default="outputs/toybox-priors",
        metavar="FOLDER",
        help="default: outputs/toybox-priors",
    )
    parser.add_argument("--steps", type=whole(0), default=0, help="optimizer steps in total, earlier calls included")
    parser.add_argument("--minutes", type=number(0), default=0.0, help="of this call")
    parser.add_argument("--batch-size", type=whole(1), default=32, help="images (default: 32)")
    parser.add_argument("--learning-rate", type=number(0, 10), default=5e-4, help="default: 5e-4")
    parser.add_argument(
        "--decay-steps", type=whole(1), default=20000, help="where the learning rate ends (default: 20000)"
    )
    parser.add_argument("--save-minutes", type=number(0), default=5.0, help="between saves (default: 5)")
    parser.add_argument("--start-from", metavar="FOLDER", help="sd, mvdream, flow: finished weights to go on from")
    parser.add_argument(
        "--loose-words", type=number(0, 1), default=0.0, metavar="SHARE", help="sd: view words of other images"
    )
    parser.add_argument("--images", type=whole(1), default=16000, help="to train on (default: 16000)")
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0)
    parser.add_argument("--device", type=device, default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--bf16", action="store_true", help="forward passes in bfloat16")


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace
    from pathlib import Path

    from ...toybox_training.autoencoder_training import train_vae
    from ...toybox_training.captions import dressed_captions
    from ...toybox_training.denoiser_trainings import train_mvdream, train_sd
    from ...toybox_training.flow_training import train_flow
    from ...toybox_training.image_bank import VIEWS_PER_GROUP
    from ...toybox_training.loop import LoopOptions
    from ...toybox_training.setup import BankSizes, TrainingSetup
    from ...toybox_training.zero123_training import train_zero123

    options = LoopOptions(
        steps=args.steps,
        minutes=args.minutes,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        decay_steps=args.decay_steps,
        save_minutes=args.save_minutes,
        seed=args.seed,
        device=args.device,
        bf16=args.bf16,
    )
    trainings = {"vae": train_vae, "sd": train_sd, "mvdream": train_mvdream, "flow": train_flow}
    trainings |= {"zero123": train_zero123}
    more = {}
    if args.start_from:
        if args.network not in _STARTABLE:
            raise ValueError(f"--start-from is for {', '.join(_STARTABLE)}; {args.network} has no such start")
        more["start"] = Path(args.start_from)
    if args.loose_words:
        if args.network != "sd":
            raise ValueError(f"--loose-words is for sd; {args.network} is told no view words")
        more["loose_words"] = args.loose_words
    banks = BankSizes(num_images=args.images, num_groups=args.images // VIEWS_PER_GROUP)
    if args.network == "zero123":  # objects that were never seen are asked of it, so it is shown all others
        banks = replace(banks, num_dressed=len(dressed_captions(held_out=False)))
    print(trainings[args.network](TrainingSetup(Path(args.output), options, banks=banks), **more))
    return 0
