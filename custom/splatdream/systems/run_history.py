"""What a run's folder holds at its end: numbers over steps, pictures of the way, the command, every file."""

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..export.plots import Curve
from ..export.summary_page import RunSummary
from ..viewer.run_window import WINDOW

_CURVES = {"train/loss": "Loss", "train/grad_norm": "Gradient"}
"""What to call columns of the log."""
_SIZE = "train/num_"
"""What columns begin with that say how large the asset is."""
_MOST_PICTURES = 12


def with_history(summary: RunSummary, manifest: Mapping[str, Any], page: Path) -> RunSummary:
    """The summary, with what the run's manifest and the folder above the page's know of it.

    Args:
        manifest: without measurements where only a checkpoint was loaded.
    """
    folder = page.parent.parent
    seconds = manifest.get("seconds_by_stage", {})
    facts = dict(summary.facts)
    if seconds:
        facts |= {
            "prior": str(manifest["prior"].get("name", "")),
            "seed": str(manifest["seed"]),
            "seconds": f"{sum(seconds.values()):.1f}",
            "denoiser evaluations": f"{manifest['denoiser_evaluations']:,}",
        }
    return replace(
        summary,
        facts=facts,
        command=command(folder),
        seconds_by_stage=seconds,
        curves=curves(folder),
        files=files(folder, page),
    )


def curves(folder: Path) -> list[Curve]:
    """Loss, gradient and sizes over the steps, from the logs of a run, earlier parts of a resumed one first."""
    rows: dict[str, dict[float, float]] = {name: {} for name in _CURVES}
    for log in sorted(folder.glob("csv_logs/version_*/metrics.csv"), key=lambda log: int(log.parent.name[8:])):
        with log.open(newline="") as lines:
            _add_rows(rows, csv.DictReader(lines))
    return [
        Curve(_CURVES.get(name, f"Number of {name.removeprefix(_SIZE)}"), steps, [values[step] for step in steps])
        for name, values in rows.items()
        if (steps := sorted(values))
    ]


def validation_pictures(save: Path) -> dict[int, bytes]:
    """The content of validation pictures by step; of many an even choice with the first and the last."""
    found = {int(re.findall(r"\d+", path.name)[0]): path for path in save.glob("it*-validation.png")}
    steps = sorted(found)
    if len(steps) > _MOST_PICTURES:
        steps = [steps[round(i * (len(steps) - 1) / (_MOST_PICTURES - 1))] for i in range(_MOST_PICTURES)]
    return {step: found[step].read_bytes() for step in steps}


def command(folder: Path) -> str:
    """What was typed, if the host wrote it down."""
    path = folder / "cmd.txt"
    return path.read_text().splitlines()[0] if path.is_file() else ""


def files(folder: Path, page: Path) -> dict[str, int]:
    """Bytes of every file of the run but the page, by its path from the page's folder."""
    paths = [path for path in _files_of_run(folder) if path != page]
    inside = {path.relative_to(page.parent).as_posix(): path for path in paths if path.is_relative_to(page.parent)}
    beside = {f"../{path.relative_to(folder).as_posix()}": path for path in paths if path not in inside.values()}
    return {name: path.stat().st_size for name, path in (inside | beside).items()}


def _files_of_run(folder: Path) -> list[Path]:
    """Without what is shown to those who watch: it goes when they do."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder / WINDOW)


def _add_rows(found: dict[str, dict[float, float]], rows: Iterable[dict[str, str]]) -> None:
    """Numbers by column and step; a later row of the same step counts."""
    for row in rows:
        for name, text in row.items():
            if (name in _CURVES or name.startswith(_SIZE)) and text and math.isfinite(float(text)):
                found.setdefault(name, {})[float(row["step"]) + 1] = float(text)
