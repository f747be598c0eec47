"""`splatdream compose`: scenes from parts by concatenating clouds."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.evaluation import contact_sheet_cameras, turntable_cameras
from ..export.contact_sheet import contact_sheet
from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import cat, transform
from ..gaussians.initialization import from_points
from ..gaussians.ply import read_ply, write_ply
from ..rendering.render import render
from ..storage.images import write_png
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace, trace_surface

_TOYBOX = "toybox:"
_PART = re.compile(r"(?P<source>.+?)(?:\*(?P<scale>[0-9.eE+-]+))?(?:@(?P<translation>[0-9.,eE+-]+))?")
_PICTURE_AZIMUTHS = 6
_PICTURE_SIZE = 128


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = "Each PART is a PLY file or toybox:CAPTION; *s after it scales it, @x,y,z then moves it."
    parser.add_argument("parts", nargs="+", metavar="PART", help='e.g. cat.ply "hat.ply*0.5@0,0,0.7"')
    parser.add_argument("--output", required=True, metavar="PLY", help="the merged cloud")
    parser.add_argument("--picture", metavar="PNG", help="a contact sheet of every part and of the whole")


def run(args: argparse.Namespace) -> int:
    compose(args.parts, args.output, args.picture)
    return 0


@dataclass(frozen=True)
class Part:
    """One cloud of a scene and where it stands."""

    source: str
    """A PLY file, or toybox:CAPTION."""
    scale: float = 1.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """World units, after scaling."""


def parse_part(text: str) -> Part:
    """`SOURCE`, `SOURCE*scale`, `SOURCE@x,y,z` or `SOURCE*scale@x,y,z`.

    Raises:
        ValueError: a scale that is no positive number, or a translation that is not three numbers.
    """
    match = _PART.fullmatch(text)
    try:
        scale = float(match["scale"] or 1.0)
        translation = tuple(float(number) for number in (match["translation"] or "0,0,0").split(","))
    except (TypeError, ValueError):
        scale, translation = 0.0, ()
    if scale <= 0 or len(translation) != 3:
        raise ValueError(f"cannot read the part {text!r}; write e.g. cat.ply, cat.ply*0.5 or cat.ply*0.5@0.9,0,0")
    return Part(match["source"], scale, translation)


def load_part(part: Part) -> GaussianCloud:
    """The cloud of a part, scaled and moved."""
    if part.source.startswith(_TOYBOX):
        cloud = surface_cloud(part.source.removeprefix(_TOYBOX))
    else:
        cloud = read_ply(part.source)
    return transform(cloud, translation=torch.tensor(part.translation), scale=part.scale)


def surface_cloud(caption: str, num_views: int = 10, size: int = 32) -> GaussianCloud:
    """A toybox object as Gaussians on its surface, without any optimization: what views of it hit, with its colors."""
    scene = build_scene(caption)
    rings = [turntable_cameras(num_views, elevation, 2.5, 49.1, size, size) for elevation in (-40.0, 5.0, 50.0)]
    points, colors = zip(*(_surface_points(scene, cameras) for cameras in rings), strict=True)
    return from_points(torch.cat(points), torch.cat(colors), opacity=0.9)


def _surface_points(scene: object, cameras: object) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
    depths, _ = trace_surface(scene, cameras)
    rgba = trace(scene, cameras, supersampling=1)
    is_hit = depths > 0
    directions = cameras.ray_directions
    forward = -cameras.c2w[:, :3, 2]
    # Depths are measured along the camera's axis.
    distances = depths / torch.einsum("bhwi,bi->bhw", directions, forward)
    points = cameras.positions[:, None, None] + distances[..., None] * directions
    return points[is_hit], rgba[is_hit][:, :3]


def compose(parts: Sequence[str], output: str, picture: str | None = None) -> None:
    """Writes the concatenation of the parts as a PLY, and a contact sheet of every part and the whole."""
    clouds = [load_part(parse_part(part)) for part in parts]
    whole = cat(clouds)
    path = write_ply(output, whole)
    print(f"{path}: {len(whole)} Gaussians from {len(clouds)} parts")
    if picture is not None:
        write_png(picture, composition_picture([*clouds, whole], [*parts, "together"]))
        print(f"{picture}: every part and the whole from {_PICTURE_AZIMUTHS} sides")


def composition_picture(clouds: Sequence[GaussianCloud], labels: Sequence[str]) -> Float[Tensor, "H W 3"]:
    """A row for each cloud, seen from evenly spaced azimuths by cameras that have all of the clouds in view."""
    reach = max(float((cloud.means.norm(dim=1) + 2 * cloud.scales.amax(dim=1)).max()) for cloud in clouds)
    cameras = contact_sheet_cameras((20.0,), _PICTURE_AZIMUTHS, 2.6 * reach, 49.1, _PICTURE_SIZE)
    white = torch.ones(len(cameras), 3)
    with torch.no_grad():
        rows = [render(cloud.detach(), cameras, white, cloud.sh_degree).rgb.clamp(0, 1) for cloud in clouds]
    columns = [f"{360 * i // _PICTURE_AZIMUTHS}" for i in range(_PICTURE_AZIMUTHS)]
    return contact_sheet(torch.stack(rows), [Path(label).name for label in labels], columns)
