"""`splatdream evaluate`: judge one asset."""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..assets.finished import FinishedAsset, open_asset
from ..cameras.batch import CameraBatch
from ..evaluation.asset_report import AssetReport, evaluate_asset, evaluate_views, is_toybox_prompt
from ..evaluation.given_views import given_views
from ..evaluation.ground_truth import RenderFunction
from ..evaluation.measurement import MeasurementPlan, plan_for
from ..photographs.folder import holds_cameras, read_photographs
from ..photographs.orbits import ORBITS
from ..priors.base import DiffusionPrior
from ..priors.judges import JUDGES, load_judge
from ..priors.model_ids import PACKAGED
from ..storage.atomic_file import write_text
from .arguments import whole

_EXPORTS = (
    "cloud.ply",
    "field.safetensors",
    "mesh.glb",
    "mesh.obj",
    "cloud.splat",
    "cloud.spz",
    "cloud.sog",
    "cloud.glb",
)
_USUAL_RADIUS = (0.4, 1.4)
_RADIUS = 0.95


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.description = (
        "Says whether an asset has one face (ok), several (repeated), the same picture on every side (collapsed), none "
        "(faceless), or a prompt without a front (frontless); and how it looks. docs/evaluation.md."
    )
    parser.add_argument(
        "asset",
        metavar="ASSET",
        help="a run's folder, .ply, .splat, .spz, .sog, .glb, .obj, ..., or a folder of posed views",
    )
    parser.add_argument("--prompt", required=True, help="what it should be, without a view word")
    parser.add_argument(
        "--prior",
        action="append",
        metavar="NAME",
        help="a judge: a Stable Diffusion or MVDream folder or name, not the one that made the asset; may be given "
        "twice (default: the packaged two, for the toybox's prompts)",
    )
    parser.add_argument("--clip", metavar="NAME", help="a CLIP folder or hub id, for alignment with the prompt")
    parser.add_argument(
        "--orbit",
        default="",
        metavar="NAME",
        help=f"of images with known cameras: {', '.join(ORBITS)}",
    )
    parser.add_argument("--output", metavar="FOLDER", help="evaluation.json and verdict.png go there")
    parser.add_argument("--views", type=whole(12), default=12, help="round the asset, a multiple of 12 (default: 12)")
    parser.add_argument("--noises", type=whole(1), default=4, help="for each view and text (default: 4)")


def run(args: argparse.Namespace) -> int:
    if not re.search(r"\w", args.prompt):
        raise ValueError(f"the prompt {args.prompt!r} has no words; say what the asset should be, e.g. 'an orange cat'")
    plan = MeasurementPlan(num_views=args.views, num_noises=args.noises)
    path, judges = Path(args.asset), _judges(args.prior, args.prompt)
    if args.orbit or (path.is_dir() and holds_cameras(path)):
        report, facts = _of_views(path, args.orbit, args.prompt, judges, plan)
    else:
        path = newest_export(path)
        render, facts = framed(open_asset(path))
        report, facts = evaluate_asset(render, args.prompt, judges, plan), {"bytes": path.stat().st_size, **facts}
    record = report.record() | {"asset": str(path), "file": facts}
    record["alignment"] = _alignment(args.clip, args.prompt, report.found.images)
    print(f"{path.name}: {report.verdict.value}, {report.reason}")
    notes = [report.disagreement, *(f"not measured: {text}" for text in report.unmeasured)]
    for line in (*notes, record["alignment"] if isinstance(record["alignment"], str) else ""):
        if line:
            print(f"  {line}")
    if args.output:
        _write(Path(args.output), report, record)
    return 0


def _of_views(
    folder: Path, orbit: str, prompt: str, judges: Sequence[DiffusionPrior], plan: MeasurementPlan
) -> tuple[AssetReport, dict[str, object]]:
    """The report of a folder of posed views, and facts about it."""
    size = plan_for(judges, plan).size
    photographs = read_photographs(folder, orbit, size, hold_out_every=0)
    given = given_views(photographs, str(folder))
    smallest = given.cameras.width
    if smallest < size:
        raise ValueError(f"the images of {folder} have {smallest} pixels along their longer side, and need {size}")
    return evaluate_views(given, prompt, judges, plan), {"views": len(given.rgb)}


def newest_export(path: Path) -> Path:
    """The file itself, or of a run's folder the export of the last step.

    Raises:
        FileNotFoundError: there is nothing there, or a folder without exports.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"there is no asset at {path}")
    found = [
        (int(match[1]), -preference, file)
        for preference, name in enumerate(_EXPORTS)
        for file in path.glob(f"**/it*-export/{name}")
        if (match := re.fullmatch(r"it(\d+)-export", file.parent.name))
    ]
    if not found:
        raise FileNotFoundError(f"the folder {path} holds no export (it<STEP>-export/{_EXPORTS[0]}) and no cameras")
    return max(found)[2]


def _judges(names: Sequence[str] | None, prompt: str) -> list[DiffusionPrior]:
    """The priors of these names; without any the calibrated ones, as far as they can read the prompt.

    Raises:
        ValueError: there is no such prior, or one that knows only the toybox was named for another prompt.
    """
    if is_toybox_prompt(prompt):
        return [load_judge(name) for name in names or JUDGES]
    for name in names or ():
        if name in PACKAGED:
            raise ValueError(f"{name} reads only the toybox's words, not '{prompt}'; name another judge with --prior")
    return [load_judge(name) for name in names or ()]


def framed(asset: FinishedAsset) -> tuple[RenderFunction, dict[str, object]]:
    """What renders the asset on white, and facts about it; one far from the usual size or place is seen from farther.

    Raises:
        ValueError: nothing of it is to be seen.
    """
    points = asset.visible_points()
    if not len(points):
        raise ValueError("the asset shows nothing: no Gaussian is more opaque than 0.1")
    # NumPy: torch refuses to take quantiles of more than 16 million numbers.
    low, high = torch.from_numpy(np.quantile(points.detach().numpy(), (0.01, 0.99), axis=0)).float()
    center, radius = (low + high) / 2, float((high - low).norm()) / 2
    facts: dict[str, object] = dict(asset.sizes())
    is_usual = float(center.norm()) < 0.5 * radius and _USUAL_RADIUS[0] < radius < _USUAL_RADIUS[1]
    if not is_usual:
        facts |= {"center": center.tolist(), "radius": radius}

    def render(cameras: CameraBatch) -> tuple[Tensor, Tensor]:
        if not is_usual:
            c2w = cameras.c2w.clone()
            c2w[:, :3, 3] = center + c2w[:, :3, 3] * (radius / _RADIUS)
            cameras = replace(cameras, c2w=c2w)
        rgb, alpha = asset.render(cameras, torch.ones(len(cameras), 3))
        return rgb.clamp(0, 1), alpha

    return render, facts


def _alignment(clip: str | None, prompt: str, images: Float[Tensor, "N H W 3"]) -> dict[str, object] | str:
    """CLIP's view of the prompt. It never stands alone: the verdict does not use it."""
    if clip is None:
        return "alignment not measured; name a CLIP folder or hub id with --clip"
    from ..priors.clip_alignment import alignment

    return alignment(clip, prompt, images)


def _write(folder: Path, report: AssetReport, record: dict[str, object]) -> None:
    print(f"  {write_text(folder / 'evaluation.json', json.dumps(record, indent=2) + chr(10))}")
    from ..evaluation.verdict_picture import write_verdict_picture

    try:
        print(f"  {write_verdict_picture(folder / 'verdict.png', report)}")
    except ImportError as error:  # the verdict does not depend on its picture
        print(f"  no picture: {error}")
