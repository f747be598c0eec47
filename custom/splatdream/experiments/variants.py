"""Variants of one run side by side: one key of a configuration takes several values.

Every variant is an ordinary run in its own folder; a second call renders what is there and runs what is missing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.evaluation import contact_sheet_cameras
from ..export.contact_sheet import contact_sheet
from ..gaussians.ply import read_ply
from ..rendering.render import render
from ..runner.execution import Executor, Runs
from ..runner.request import RunRequest
from ..runner.results import RunResult
from ..storage.images import write_png

_NUM_AZIMUTHS = 8
_ELEVATION_DEG = 15.0


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
    execute: Executor,
    config: str,
    variation: str,
    folder: str,
    picture: str,
    overrides: Sequence[str] = (),
    size: int = 128,
) -> None:
    """Runs every variant, prints what each cost, and writes a picture with one row a variant.

    Args:
        variation: see `parse_variation`.
        overrides: changes to the configuration that all variants share.
        size: of the rendered views, pixels.

    Raises:
        RuntimeError: a run failed; those that finished are kept.
    """
    key, values = parse_variation(variation)
    runs = Runs(Path(folder) / "runs", execute)
    results = {value: _finished(runs, config, f"{key}={value}", overrides) for value in values}
    print(f"{key.rsplit('.', maxsplit=1)[-1]:<24} {'Gaussians':>9} {'evaluations':>12} {'seconds':>8}")
    for label, result in results.items():
        manifest = result.read_manifest()
        seconds = sum(manifest["seconds_by_stage"].values())
        print(f"{label:<24} {manifest['num_gaussians']:>9,} {manifest['denoiser_evaluations']:>12,} {seconds:>8.1f}")
    write_png(picture, side_by_side(results, size))
    print(f"{picture}: one row a variant, {_NUM_AZIMUTHS} azimuths from the front")


def side_by_side(results: Mapping[str, RunResult], size: int) -> Float[Tensor, "H W 3"]:
    """One row a run by its label, seen from all round by the cameras of its own evaluation."""
    rows = []
    for result in results.values():
        data = result.read_manifest()["evaluation_cameras"]
        cameras = contact_sheet_cameras((_ELEVATION_DEG,), _NUM_AZIMUTHS, data["distance"], data["fovy_deg"], size)
        cloud = read_ply(result.file("cloud"))
        with torch.no_grad():
            rgb = render(cloud, cameras, torch.ones(len(cameras), 3), cloud.sh_degree).rgb
        rows.append(rgb.clamp(0, 1))
    columns = [f"{360 * i // _NUM_AZIMUTHS}" for i in range(_NUM_AZIMUTHS)]
    return contact_sheet(torch.stack(rows), list(results), columns)


def _finished(runs: Runs, config: str, variant: str, overrides: Sequence[str]) -> RunResult:
    request = RunRequest(config, ["system.export_after_training=true", *overrides, variant], label=variant)
    found = runs.find(request)
    if found is not None:
        return found
    print(variant, flush=True)
    return runs.run(request)
