"""The table of the toybox: every object distilled under every condition of the closed-form prior, and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean

import torch

from ..cameras.batch import CameraBatch
from ..evaluation.ground_truth import GroundTruthReport, evaluate_against_toybox
from ..gaussians.cloud import GaussianCloud
from ..gaussians.ply import read_ply
from ..rendering.render import render
from ..runner.execution import Executor, Runs
from ..runner.request import RunRequest
from ..runner.results import RunResult
from ..toybox.vocabulary import COLORS, FACED_OBJECTS, OBJECTS
from .intervals import difference_text
from .table_rows import Row, TableRun, measured_rows, publish

ONLY_THE_CLOUD = (
    "system.export_after_training=true",
    "system.exporter.formats=[ply]",
    "trainer.limit_val_batches=0",
    "data.num_test_views=1",
    "data.eval_width=64",
    "data.eval_height=64",
)
"""Tables measure clouds; pictures and videos of every run would take longer than the runs."""


@dataclass(frozen=True)
class Cell:
    """One run of the table."""

    object_name: str
    condition: str

    @property
    def prompt(self) -> str:
        """The object in a color of its own, so that the table sees all of them."""
        colors = list(COLORS)
        color = colors[OBJECTS.index(self.object_name) % len(colors)]
        return f"{'an' if color[0] in 'aeiou' else 'a'} {color} {self.object_name}"

    @property
    def key(self) -> str:
        return f"{self.object_name}/{self.condition}"


def chosen_objects(names: Sequence[str] | None) -> Sequence[str]:
    """The toybox objects of these names; all by default.

    Raises:
        ValueError: an object that the toybox does not have.
    """
    unknown = [name for name in names or () if name not in OBJECTS]
    if unknown:
        raise ValueError(f"the toybox has no {unknown[0]!r}; it has {', '.join(OBJECTS)}")
    return names or OBJECTS


def make_table(
    execute: Executor,
    config: str,
    folder: str,
    objects: Sequence[str] | None,
    conditions: Sequence[str],
    report: str | None,
    overrides: Sequence[str] = (),
) -> None:
    """Runs what is missing, then prints the table and writes it to `report`.

    Args:
        objects: names of toybox objects; all by default.

    Raises:
        ValueError: an object that the toybox does not have.
        RuntimeError: a run failed; the results so far are kept.
    """
    cells = [Cell(name, condition) for name in chosen_objects(objects) for condition in conditions]
    runs = Runs(Path(folder) / "runs", execute)
    wanted = {cell.key: _table_run(runs, cell, config, overrides) for cell in cells}
    publish(table_text(measured_rows("toybox", wanted, Path(folder)), conditions), report)


def _table_run(runs: Runs, cell: Cell, config: str, overrides: Sequence[str]) -> TableRun:
    settings = [f"system.guidance.prior.condition={cell.condition}", *ONLY_THE_CLOUD, *overrides]
    request = RunRequest(config, settings, cell.prompt, cell.key)
    title = f"{cell.prompt}, {cell.condition}"
    return TableRun(title, lambda obtain: obtain(runs, request), partial(_measure, cell.prompt))


def _measure(prompt: str, result: RunResult) -> Row:
    cloud = read_ply(result.file("cloud"))
    return {"prompt": prompt, "num_gaussians": len(cloud)} | numbers(evaluate(cloud, prompt))


def evaluate(cloud: GaussianCloud, prompt: str) -> GroundTruthReport:
    """A cloud against the toybox object that its prompt names."""

    def render_on_white(cameras: CameraBatch) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            output = render(cloud, cameras, torch.ones(len(cameras), 3), cloud.sh_degree)
        return output.rgb.clamp(0, 1), output.alpha

    return evaluate_against_toybox(render_on_white, prompt)


def numbers(report: GroundTruthReport) -> Row:
    """What tables keep of a report, by column."""
    return {
        "psnr": report.raw.psnr,
        "ssim": report.raw.ssim,
        "iou": report.raw.silhouette_iou,
        "psnr_turned": report.turned.psnr,
        "ssim_turned": report.turned.ssim,
        "iou_turned": report.turned.silhouette_iou,
        "turn_deg": report.turn_deg,
        "yaw_error_deg": report.yaw_map.mean_error_deg,
        "class": report.label,
    }


def table_text(rows: Mapping[str, Row], conditions: Sequence[str]) -> str:
    """The table in Markdown: a line a run, means and classes by condition, and paired differences of PSNR."""
    lines = [
        "| object | condition | PSNR | SSIM | IoU | turned PSNR | SSIM | IoU | turn | yaw error | class |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *(_line_of_run(key, row) for key, row in rows.items()),
        "",
        "| condition | runs | PSNR | SSIM | IoU | turned PSNR | turned IoU | yaw error | classes of faced objects |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
        *(_line_of_condition(rows, condition) for condition in conditions),
        "",
        *(_paired_difference(rows, better, worse) for better, worse in pairwise(conditions)),
    ]
    return "\n".join(lines) + "\n"


def _line_of_run(key: str, row: Row) -> str:
    name, condition = key.split("/")
    return (
        f"| {name} | {condition} | {row['psnr']:.1f} | {row['ssim']:.3f} | {row['iou']:.3f} "
        f"| {row['psnr_turned']:.1f} | {row['ssim_turned']:.3f} | {row['iou_turned']:.3f} "
        f"| {row['turn_deg']:.0f} | {row['yaw_error_deg']:.0f} | {row['class']} |"
    )


def _line_of_condition(rows: Mapping[str, Row], condition: str) -> str:
    by_name = _by_name(rows, condition)
    faced = [row["class"] for name, row in by_name.items() if name in FACED_OBJECTS]
    classes = ", ".join(f"{faced.count(name)} {name}" for name in sorted(set(faced)))
    columns = ("psnr", "ssim", "iou", "psnr_turned", "iou_turned", "yaw_error_deg")
    means = [mean(row[name] for row in by_name.values()) for name in columns]
    return (
        f"| {condition} | {len(by_name)} | {means[0]:.1f} | {means[1]:.3f} | {means[2]:.3f} | {means[3]:.1f} "
        f"| {means[4]:.3f} | {means[5]:.0f} | {classes} |"
    )


def _paired_difference(rows: Mapping[str, Row], better: str, worse: str) -> str:
    """The mean difference of PSNR over the objects that have both, raw and turned, with 95 % intervals."""
    ours, theirs = _by_name(rows, better), _by_name(rows, worse)
    names = [name for name in ours if name in theirs]
    parts = [
        f"{label} {difference_text([ours[name][column] - theirs[name][column] for name in names], 1, 'dB')}"
        for column, label in (("psnr", "raw"), ("psnr_turned", "turned"))
    ]
    return f"PSNR of {better} minus {worse}, paired over {len(names)} objects, 95 % interval: {'; '.join(parts)}"


def _by_name(rows: Mapping[str, Row], condition: str) -> dict[str, Row]:
    """The rows of a condition by object."""
    return {key.split("/")[0]: row for key, row in rows.items() if key.endswith(f"/{condition}")}
