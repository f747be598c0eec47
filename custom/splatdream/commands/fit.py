"""`splatdream fit`: images with cameras to Gaussians."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..runner.request import RunRequest, setting
from ..startup.shipped import find_config
from .arguments import LARGEST_SEED, whole

CONFIG = "fit"
EPILOG = """
what the folder may hold:
  transforms.json         of nerfstudio or instant-ngp, or of `splatdream generate-views`; images by their file_path
  transforms_train.json   of NeRF's Blender scenes; transforms_test.json is what the result is measured against
  sparse/0 and images/    of COLMAP, text or binary, undistorted (`colmap image_undistorter`)
  images alone            the views of a model whose cameras are known: name it with --orbit

Where the folder does not say what to measure against, every 8th view is kept for it; --hold-out-every 0 fits all.
A transparent ground stays transparent. Images without alpha before a plain ground (at least 90 % of their border have
one color) are fitted in front of that color, so that the ground does not become part of the object.

examples:
  splatdream toybox photograph "an orange cat" --output outputs/cat
  splatdream fit outputs/cat --output outputs/fit
  splatdream fit sv3d-frames --orbit sv3d --hold-out-every 0
  splatdream fit SCENE --size 256 --steps 2000 system.densification.max_num_gaussians=30000
"""


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    from ..photographs.orbits import ORBITS

    parser.description = "Gaussians from photographs, renders or generated views, by L1 and SSIM (docs/photographs.md)."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", help="images and their cameras")
    parser.add_argument("--output", default="outputs/fit", metavar="FOLDER", help="default: outputs/fit")
    parser.add_argument("--orbit", default="", metavar="NAME", help=", ".join(ORBITS))
    parser.add_argument("--size", type=whole(11, 16384), help="longer side in pixels that larger images are reduced to")
    parser.add_argument("--steps", type=whole(1), metavar="N", help="optimizer steps (default: the configuration's)")
    parser.add_argument("--hold-out-every", type=whole(0), metavar="N", help="default: 8; 0 keeps none")
    parser.add_argument("--config", default=CONFIG, metavar="YAML", help="default: fit")
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=0, help="default: 0")
    parser.add_argument("-q", "--quiet", action="store_true", help="only what was made, warnings and errors")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="changes of the configuration")


def run(args: argparse.Namespace) -> int:
    from ..runner.execution import InProcess, finished_run

    request = fit_request(
        args.folder, args.orbit, args.size, args.steps, args.hold_out_every, args.config, args.seed, args.overrides
    )
    name = Path(args.folder).resolve().name
    result = finished_run(request, Path(args.output) / name, InProcess(["--quiet"] if args.quiet else []))
    for part, numbers in result.read_manifest()["photographs"].items():
        said = f"{numbers['psnr']:.2f} dB PSNR, {numbers['ssim']:.4f} SSIM, {numbers['num']} images"
        print(f"{part.replace('_', ' '):<10} {said}")
    print(f"gaussians  {result.file('cloud')}")
    print(f"open this: {result.file('page')}")
    return 0


def fit_request(
    folder: str | Path,
    orbit: str = "",
    size: int | None = None,
    steps: int | None = None,
    hold_out_every: int | None = None,
    config: str = CONFIG,
    seed: int = 0,
    overrides: Sequence[str] = (),
) -> RunRequest:
    """A run that fits the views of a folder, once they have been read.

    Raises:
        FileNotFoundError, ValueError: as `read_photographs`, or there is no such configuration.
    """
    from ..photographs.folder import read_photographs

    chosen = {"orbit": orbit or None, "size": size, "hold_out_every": hold_out_every}
    given = {name: value for name, value in chosen.items() if value is not None}
    views = read_photographs(folder, **given).training
    settings = [f"seed={seed}", setting("system.guidance.folder", str(Path(folder).resolve()))]
    settings += [f"system.guidance.{name}={value}" for name, value in given.items()]
    settings += [] if steps is None else [f"trainer.max_steps={steps}"]
    if bool((views.rgba[..., 3] < 255).flatten(1).any(dim=1).all()):
        # Before changing grounds nothing transparent can pass for white.
        settings.append("system.background.random_probability=0.5")
    return RunRequest(find_config(config), [*settings, *overrides], Path(folder).resolve().name)
