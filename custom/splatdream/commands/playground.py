"""`splatdream playground`: every guidance method on images of one object, side by side."""

import argparse
from collections.abc import Sequence

import torch

from ..cameras.batch import orbit_cameras
from ..export.contact_sheet import contact_sheet
from ..guidance.clip_reward import ClipReward
from ..guidance.methods.registry import METHODS, guidance_method
from ..guidance.playground import PlaygroundRun, PlaygroundSettings, play
from ..guidance.reward import RewardedDraws
from ..priors.base import DiffusionPrior
from ..priors.registered import RegisteredClosedFormPrior
from ..priors.registered_networks import RegisteredStableDiffusionPrior
from ..prompts.view_prompts import make_view_prompts
from ..storage.images import write_png
from .arguments import LARGEST_SEED, number, whole

_SIZE = 48
_SMALL = 64
"""Images of at most so many pixels are drawn at twice their size."""
_VIEWS = {"front": (15.0, 0.0), "side": (15.0, 90.0), "back": (15.0, 180.0), "overhead": (75.0, 0.0)}
"""Elevation and azimuth in degrees of each column."""
# tau gives the images a width: without one, methods that compare noise levels have nothing to compare.
_PRIOR = {
    "condition": "view_words",
    "size": _SIZE,
    "num_images": 200,
    "num_unconditional_images": 176,
    "tau": 0.1,
}


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "The prior is the exact denoiser of toybox images, so nothing is downloaded, or --model. docs/methods.md."
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    methods = [f"  {method.name:<18}{method.summary} ({method.paper})" for method in METHODS.values()]
    parser.epilog = "\n".join(["methods (notation of docs/methods.md):", *methods])
    parser.add_argument("--prompt", default="an orange cat", help="of the toybox (default: an orange cat)")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="e.g. sds csd ism (default: all)")
    parser.add_argument("--steps", type=whole(1), default=200, help="optimizer steps (default: 200)")
    parser.add_argument(
        "--seed", type=whole(0, LARGEST_SEED), default=0, help="of the start, the noise and the timesteps (default: 0)"
    )
    parser.add_argument(
        "--model", default="", metavar="NAME", help="Stable Diffusion by name or folder: toybox-sd, ..."
    )
    parser.add_argument("--guidance-scale", type=number(0), default=1.0, help="1 is no guidance (default: 1)")
    parser.add_argument(
        "--clip-reward", default="", metavar="NAME", help="CLIP by folder or hub id, to choose among draws (RewardSDS)"
    )
    parser.add_argument(
        "--output", default="outputs/playground.png", metavar="PNG", help="default: outputs/playground.png"
    )


def run(args: argparse.Namespace) -> int:
    methods = args.methods or list(METHODS)
    playground(
        args.prompt, methods, args.steps, args.seed, args.output, args.model, args.guidance_scale, args.clip_reward
    )
    return 0


def playground(
    prompt: str,
    methods: Sequence[str],
    num_steps: int,
    seed: int,
    output: str,
    model: str = "",
    guidance_scale: float = 1.0,
    clip_reward: str = "",
) -> None:
    """Writes a picture with a row a method, and prints what each cost.

    Args:
        model: Stable Diffusion by folder or name; empty for the exact denoiser of toybox images.
        guidance_scale: s, 1 being no guidance.
        clip_reward: CLIP by folder or hub id, which chooses among 7 draws of the noise; empty for none.

    Raises:
        ValueError: an unknown method, or a prompt that the toybox does not know.
    """
    for method in methods:
        guidance_method(method)  # before the images of the prior are made
    prior, size = _prior(model)
    elevations, azimuths = zip(*_VIEWS.values(), strict=True)
    cameras = orbit_cameras(elevations, azimuths, width=size, height=size)
    print(f"{'method':<18}{'evaluations':>12}{'seconds':>9}", flush=True)
    runs = play(
        prior,
        make_view_prompts(prompt),
        cameras,
        methods,
        PlaygroundSettings(num_steps=num_steps, guidance_scale=guidance_scale, seed=seed),
        report=_print_cost,
        rewarded=RewardedDraws(ClipReward({"model": clip_reward}), num_draws=7) if clip_reward else None,
    )
    images = torch.stack([run.images for run in runs])
    title = f"{prompt}, {num_steps} steps" + (f", guidance scale {guidance_scale:g}" if guidance_scale != 1 else "")
    zoom = 2 if images.shape[-2] <= _SMALL else 1
    write_png(output, contact_sheet(images, [run.method for run in runs], list(_VIEWS), title, zoom=zoom))
    print(f"{output}: {len(runs)} methods; evaluations of the denoiser are for an image and step")


def _prior(model: str) -> tuple[DiffusionPrior, int]:
    """The prior and the side of its images in pixels."""
    if not model:
        return RegisteredClosedFormPrior(_PRIOR)(), _SIZE
    prior = RegisteredStableDiffusionPrior({"model": model})()
    return prior, prior.image_size


def _print_cost(run: PlaygroundRun) -> None:
    print(f"{run.method:<18}{run.evaluations:>12.1f}{run.seconds:>9.1f}", flush=True)
