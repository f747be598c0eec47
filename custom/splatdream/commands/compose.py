"""`splatdream compose`: scenes of clouds that are placed on the command line, or of a file with a prompt an object."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.evaluation import contact_sheet_cameras
from ..export.contact_sheet import contact_sheet
from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import cat
from ..gaussians.ply import read_ply, write_ply
from ..rendering.render import render
from ..scenes.collisions import Collision, collisions
from ..scenes.placement import Placement
from ..scenes.sources import read_source
from ..storage.images import write_png

_PART = re.compile(
    r"(?P<source>.+?)(?:\*(?P<scale>[0-9.eE+-]+))?(?:\^(?P<turn>[0-9.,eE+-]+))?(?:@(?P<translation>[0-9.,eE+-]+))?"
)
_SCENES = (".yaml", ".yml")
_PICTURE_AZIMUTHS = 6
_PICTURE_SIZE = 128

EPILOG = """
examples:
  splatdream compose cat.ply "hat.ply*0.5^90@0,0,0.7" --output outputs/scene.ply
  splatdream compose "toybox:a red cube" "toybox:a blue sphere@0.9,0,0" --output outputs/scene.ply
  splatdream compose configs/scenes/robot-with-a-cap.yaml --output outputs/scene
"""


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Each PART is a file of Gaussians or a mesh, the folder of a run, or toybox:CAPTION; *s after it scales it, ^z "
        "(or ^x,y,z) then turns it, in degrees about these axes of the world, @x,y,z then moves it. Or one SCENE.yaml: "
        "each object has its own prompt, file or original, edits and place, and a run may go on with all of them "
        "(docs/scenes.md)."
    )
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("parts", nargs="+", metavar="PART", help='e.g. cat.ply "hat.ply*0.5^90@0,0,0.7"; or SCENE.yaml')
    parser.add_argument("--output", required=True, metavar="PLY", help="the merged cloud; of a SCENE.yaml, a folder")
    parser.add_argument("--picture", metavar="PNG", help="a contact sheet of every part and of the whole")
    parser.add_argument("-q", "--quiet", action="store_true", help="of a scene's runs only what was made and errors")


def run(args: argparse.Namespace) -> int:
    scenes = [part for part in args.parts if Path(part).suffix.lower() in _SCENES]
    if not scenes:
        compose(args.parts, args.output, args.picture)
    elif len(args.parts) > 1:
        raise ValueError(f"{scenes[0]} is a whole scene and stands alone; name other parts in it, as objects")
    else:
        compose_scene(scenes[0], args.output, args.picture, args.quiet)
    return 0


@dataclass(frozen=True)
class Part:
    """One cloud of a scene and where it stands."""

    source: str
    """A file, the folder of a run, or toybox:CAPTION."""
    placement: Placement = field(default_factory=Placement)


def parse_part(text: str) -> Part:
    """`SOURCE`, and after it, each where it is wanted and in this order, `*scale`, `^degrees` and `@x,y,z`.

    Raises:
        ValueError: a scale that is no positive number, a turn that is not one or three numbers, or a translation that
            is not three.
    """
    match = _PART.fullmatch(text)
    try:
        scale = float(match["scale"] or 1.0)
        turn, translation = _numbers(match["turn"] or "0"), _numbers(match["translation"] or "0,0,0")
    except (TypeError, ValueError):
        scale, turn, translation = 0.0, (), ()
    # One number is a turn about the vertical axis.
    rotation = (0.0, 0.0, *turn) if len(turn) == 1 else turn
    if scale <= 0 or (len(rotation), len(translation)) != (3, 3):
        raise ValueError(f"cannot read the part {text!r}; write e.g. cat.ply, cat.ply*0.5 or cat.ply*0.5^90@0.9,0,0")
    return Part(match["source"], Placement(scale, rotation, translation))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def load_part(part: Part) -> GaussianCloud:
    """The cloud of a part, scaled, turned and moved."""
    return part.placement.placed(read_source(part.source))


def compose(parts: Sequence[str], output: str, picture: str | None = None) -> None:
    """Writes the concatenation of the parts as a PLY, and a contact sheet of every part and the whole; says which of
    them overlap."""
    clouds = [load_part(parse_part(part)) for part in parts]
    whole = cat(clouds)
    path = write_ply(output, whole)
    print(f"{path}: {len(whole)} Gaussians from {len(clouds)} parts")
    _tell_collisions(*collisions({f"{number} {part}": cloud for number, (part, cloud) in _numbered(parts, clouds)}))
    if picture is not None:
        write_png(picture, composition_picture([*clouds, whole], [*parts, "together"]))
        print(f"{picture}: every part and the whole from {_PICTURE_AZIMUTHS} sides")


def _numbered(parts: Sequence[str], clouds: Sequence[GaussianCloud]) -> enumerate[tuple[str, GaussianCloud]]:
    """A part may be there twice."""
    return enumerate(zip(parts, clouds, strict=True), start=1)


def compose_scene(scene: str, output: str, picture: str | None = None, is_quiet: bool = False) -> None:
    """Makes what a scene's file asks for, in a folder; what is done is not done again."""
    from ..runner.execution import InProcess
    from ..scenes.making import check_scene, make_scene
    from ..scenes.plan import read_scene

    plan = read_scene(scene)
    check_scene(plan)
    made = make_scene(plan, Path(output), InProcess(["--quiet"] if is_quiet else []))
    clouds, labels = [*made.placed.values(), read_ply(made.cloud)], [*made.placed, "composed"]
    _tell_collisions(made.volumes, made.collisions)
    if made.together is not None:
        clouds, labels = [*clouds, read_ply(made.together.file("cloud"))], [*labels, "together"]
    path = Path(picture or Path(output) / "scene.png")
    write_png(path, composition_picture(clouds, labels))
    print(f"composed   {made.cloud}: {len(clouds[len(made.placed)])} Gaussians of {len(made.placed)} objects")
    if made.together is not None:
        print(f"together   {made.together.file('cloud')}: {len(clouds[-1])} Gaussians")
    print(f"picture    {path}")
    if made.together is not None and "page" in made.together.files:
        print(f"open this: {made.together.file('page')}")


def _tell_collisions(volumes: Mapping[str, float | None], pairs: Sequence[Collision]) -> None:
    for name, volume in volumes.items():
        if volume is None:
            print(f"{name} is too faint to have a volume; whether it collides is not known")
    for pair in pairs:
        print(pair)
    if not pairs and len(volumes) > 1:
        print("no two objects overlap")


def composition_picture(clouds: Sequence[GaussianCloud], labels: Sequence[str]) -> Float[Tensor, "H W 3"]:
    """A row for each cloud, seen from evenly spaced azimuths by cameras that have all of the clouds in view."""
    reach = max(float((cloud.means.norm(dim=1) + 2 * cloud.scales.amax(dim=1)).max()) for cloud in clouds)
    cameras = contact_sheet_cameras((20.0,), _PICTURE_AZIMUTHS, 2.6 * reach, 49.1, _PICTURE_SIZE)
    white = torch.ones(len(cameras), 3)
    with torch.no_grad():
        rows = [render(cloud.detach(), cameras, white, cloud.sh_degree).rgb.clamp(0, 1) for cloud in clouds]
    columns = [f"{360 * i // _PICTURE_AZIMUTHS}" for i in range(_PICTURE_AZIMUTHS)]
    return contact_sheet(torch.stack(rows), [Path(label).name for label in labels], columns)
