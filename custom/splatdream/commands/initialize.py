"""`splatdream initialize`: what a file, a run or a model gives to begin with, as a cloud and as a picture."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.evaluation import contact_sheet_cameras
from ..export.contact_sheet import contact_sheet
from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import cat
from ..gaussians.initialization import from_points
from ..gaussians.ply import write_ply
from ..initializations.frames import FRAMES
from ..initializations.growth import GrowthConfig
from ..initializations.registry import Beginning, initial_cloud
from ..priors.shap_e import ShapEConfig
from ..rendering.render import render
from ..storage.images import write_png

_VIEWS = ("front, from +x", "from +y", "back, from -x", "from -y")
_ELEVATIONS = (10.0, 60.0)
_AXIS_LENGTH = 1.1
_PICTURE_SIZE = 192


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Reads what system.geometry.initialization would read, and shows how it was understood: the front must be seen "
        "from +x, with z up. The red, green and blue lines are +x, +y and +z, 1.1 long."
    )
    parser.add_argument("source", nargs="?", help="a file, the folder of a run, or a name such as shap-e")
    parser.add_argument("--frame", default="", metavar="NAME", help="axes and scale: the program that wrote the file")
    parser.add_argument("--frames", action="store_true", help="list the known frames and where they are said")
    parser.add_argument("--size", type=float, metavar="UNITS", help="longest side instead of the scale of the frame")
    parser.add_argument("--prompt", default="", help="for sources that read it")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--points", type=int, default=5000, help="drawn from a surface (default %(default)s)")
    parser.add_argument("--candidates", type=int, default=0, help="of noisy point growing (default %(default)s: none)")
    parser.add_argument("--model", default="shap-e", help="of shap-e: a folder or a name (default %(default)s)")
    parser.add_argument("--picture", metavar="PNG", help="eight views of it (default initialization.png)")
    parser.add_argument("--output", metavar="PLY", help="the cloud as a file")


def run(args: argparse.Namespace) -> int:
    if args.frames:
        for name, frame in FRAMES.items():
            print(f"{name}: {frame.source}; scale {frame.scale:.3f}")
        return 0
    if args.source is None:
        raise ValueError(
            "name a file, the folder of a run, or a way to begin; --frames lists what is known of programs"
        )
    beginning = Beginning(
        args.source,
        prompt=args.prompt,
        seed=args.seed,
        num_points=args.points,
        opacity=0.9,
        frame=args.frame,
        size=args.size,
        growth=GrowthConfig(candidates=args.candidates),
        shap_e=replace(ShapEConfig(), model=args.model),
    )
    cloud = initial_cloud(beginning)
    picture = args.picture or "initialization.png"
    extent = (cloud.means.amax(0) - cloud.means.amin(0)).tolist()
    sides = " x ".join(f"{side:.2f}" for side in extent)
    frame = args.frame or "its kind's frame"
    write_png(picture, understood_picture(cloud, f"{args.source}, {frame}: {len(cloud)} Gaussians, {sides}"))
    print(f"{picture}: {len(cloud)} Gaussians, {sides} world units along x, y and z")
    if args.output is not None:
        print(write_ply(args.output, cloud))
    return 0


def understood_picture(cloud: GaussianCloud, title: str) -> Float[Tensor, "H W 3"]:
    """Eight views with the world's axes, by the camera that our configurations use."""
    with_axes = cat([cloud.detach(), _axes()])
    cameras = contact_sheet_cameras(_ELEVATIONS, len(_VIEWS), 2.5, 49.1, _PICTURE_SIZE)
    with torch.no_grad():
        seen = render(with_axes, cameras, torch.ones(len(cameras), 3), with_axes.sh_degree).rgb.clamp(0, 1)
    rows = [f"{elevation:g} up" for elevation in _ELEVATIONS]
    return contact_sheet(seen.reshape(len(rows), len(_VIEWS), _PICTURE_SIZE, _PICTURE_SIZE, 3), rows, _VIEWS, title)


def _axes() -> GaussianCloud:
    along = torch.linspace(0, _AXIS_LENGTH, 100)[:, None, None] * torch.eye(3)
    colors = torch.eye(3).expand(len(along), 3, 3)
    return from_points(along.reshape(-1, 3), colors.reshape(-1, 3), opacity=0.95, scale=0.008)
