"""Variants of one run side by side: one key of a configuration takes several values.

Every variant is an ordinary run in its own folder; a second call renders what is there and runs what is missing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.evaluation import contact_sheet_cameras
from ..export.contact_sheet import contact_sheet
from ..gaussians.ply import read_ply
from ..rendering.render import render
from ..storage.images import write_png

_NUM_AZIMUTHS = 8
_ELEVATION_DEG = 15.0

Launch = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class FinishedRun:
    """Where a variant's results are and what they cost."""

    label: str
    cloud_path: Path
    manifest: dict[str, object]


def parse_variation(text: str) -> tuple[str, list[str]]:
    """`key=value,value,...` as the key and its values.

    Raises:
        ValueError: there is no key, or only one value.
    """
    key, separator, values = text.partition("=")
    parsed = [value for value in values.split(",") if value]
    if not separator or not key or len(parsed) < 2:
        raise ValueError(f"cannot vary {text!r}; write a key and at least two values, e.g. seed=0,1")
    return key, parsed


def compare(
    launch: Launch,
    config: str,
    variation: str,
    folder: str,
    picture: str,
    overrides: Sequence[str] = (),
    size: int = 128,
) -> None:
    """Runs every variant, prints what each cost, and writes a picture with one row a variant.

    Args:
        launch: runs one launch command line and returns its exit code.
        variation: see `parse_variation`.
        overrides: changes to the configuration that all variants share.
        size: of the rendered views, pixels.

    Raises:
        RuntimeError: a run failed; those that finished are kept.
    """
    key, values = parse_variation(variation)
    runs = [_finished_run(launch, config, Path(folder), key, value, overrides) for value in values]
    print(f"{key.rsplit('.', maxsplit=1)[-1]:<24} {'Gaussians':>9} {'evaluations':>12} {'seconds':>8}")
    for run in runs:
        seconds = sum(run.manifest["seconds_by_stage"].values())
        numbers = (run.manifest["num_gaussians"], run.manifest["denoiser_evaluations"])
        print(f"{run.label:<24} {numbers[0]:>9,} {numbers[1]:>12,} {seconds:>8.1f}")
    write_png(picture, side_by_side(runs, size))
    print(f"{picture}: one row a variant, {_NUM_AZIMUTHS} azimuths from the front")


def side_by_side(runs: Sequence[FinishedRun], size: int) -> Float[Tensor, "H W 3"]:
    """One row a run, seen from all round by the cameras of its own evaluation."""
    rows = []
    for run in runs:
        data = run.manifest["evaluation_cameras"]
        cameras = contact_sheet_cameras((_ELEVATION_DEG,), _NUM_AZIMUTHS, data["distance"], data["fovy_deg"], size)
        cloud = read_ply(run.cloud_path)
        with torch.no_grad():
            rgb = render(cloud, cameras, torch.ones(len(cameras), 3), cloud.sh_degree).rgb
        rows.append(rgb.clamp(0, 1))
    columns = [f"{360 * i // _NUM_AZIMUTHS}" for i in range(_NUM_AZIMUTHS)]
    return contact_sheet(torch.stack(rows), [run.label for run in runs], columns)


def _finished_run(
    launch: Launch, config: str, folder: Path, key: str, value: str, overrides: Sequence[str]
) -> FinishedRun:
    tag = f"{key}={value}".replace("/", "_")
    save = folder / "runs" / tag / "save"
    if not _is_finished(save):
        print(f"{key}={value}", flush=True)
        arguments = ["--config", config, "--train", f"exp_root_dir={folder}", "name=runs", f"tag={tag}"]
        shared = ["use_timestamp=false", "system.export_after_training=true", *overrides]
        if launch([*arguments, *shared, f"{key}={value}"]) != 0:
            raise RuntimeError(f"the run with {key}={value} failed; those that finished are in {folder}")
    clouds = sorted(save.glob("it*-export/cloud.ply"), key=lambda path: path.stat().st_mtime)
    return FinishedRun(value, clouds[-1], json.loads((save / "manifest.json").read_text()))


def _is_finished(save: Path) -> bool:
    manifest = save / "manifest.json"
    return manifest.is_file() and json.loads(manifest.read_text())["status"] == "finished"
