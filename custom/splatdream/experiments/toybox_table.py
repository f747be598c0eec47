"""The table of the toybox: every object distilled under every condition of the closed-form prior, and measured.

Each cell is one run of a configuration. Results go to a store as they come, so a second call goes on where the first
stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean

import torch

from ..cameras.batch import CameraBatch
from ..evaluation.ground_truth import GroundTruthReport, evaluate_against_toybox
from ..gaussians.cloud import GaussianCloud
from ..gaussians.ply import read_ply
from ..rendering.render import render
from ..toybox.vocabulary import COLORS, FACED_OBJECTS, OBJECTS
from .intervals import paired_bootstrap_interval
from .results_store import ResultsStore

Row = Mapping[str, object]
Launch = Callable[[Sequence[str]], int]

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


def make_table(
    launch: Launch,
    config: str,
    folder: str,
    objects: Sequence[str] | None,
    conditions: Sequence[str],
    report: str | None,
    overrides: Sequence[str] = (),
) -> None:
    """Runs what is missing, then prints the table and writes it to `report`.

    Args:
        launch: runs one launch command line and returns its exit code.
        objects: names of toybox objects; all by default.

    Raises:
        ValueError: an object that the toybox does not have.
        RuntimeError: a run failed; the results so far are kept.
    """
    unknown = [name for name in objects or () if name not in OBJECTS]
    if unknown:
        raise ValueError(f"the toybox has no {unknown[0]!r}; it has {', '.join(OBJECTS)}")
    cells = [Cell(name, condition) for name in objects or OBJECTS for condition in conditions]
    store = ResultsStore(Path(folder) / "results.jsonl")
    for number, cell in enumerate(cells, start=1):
        if cell.key in store.rows():
            continue
        print(f"[{number}/{len(cells)}] {cell.prompt}, {cell.condition}", flush=True)
        store.add(cell.key, _run(launch, cell, config, Path(folder), overrides))
    rows = store.rows()
    text = table_text({cell.key: rows[cell.key] for cell in cells}, conditions)
    print(text)
    if report is not None:
        Path(report).write_text(text)


def _run(launch: Launch, cell: Cell, config: str, folder: Path, overrides: Sequence[str]) -> Row:
    """One run and its measurements."""
    tag = cell.key.replace("/", "-")
    exit_code = launch(
        [
            "--config",
            config,
            "--train",
            f"exp_root_dir={folder}",
            "name=runs",
            f"tag={tag}",
            "use_timestamp=false",
            f"system.prompt_processor.prompt={cell.prompt}",
            f"system.guidance.prior.condition={cell.condition}",
            *ONLY_THE_CLOUD,
            *overrides,
        ]
    )
    if exit_code != 0:
        raise RuntimeError(f"the run of {cell.key} failed; the results so far are in {folder}")
    exports = sorted((folder / "runs" / tag / "save").glob("it*-export/cloud.ply"))
    cloud = read_ply(exports[-1])
    return {"prompt": cell.prompt, "num_gaussians": len(cloud)} | numbers(evaluate(cloud, cell.prompt))


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
    ]
    for key, row in rows.items():
        name, condition = key.split("/")
        lines.append(
            f"| {name} | {condition} | {row['psnr']:.1f} | {row['ssim']:.3f} | {row['iou']:.3f} "
            f"| {row['psnr_turned']:.1f} | {row['ssim_turned']:.3f} | {row['iou_turned']:.3f} "
            f"| {row['turn_deg']:.0f} | {row['yaw_error_deg']:.0f} | {row['class']} |"
        )
    lines += [
        "",
        "| condition | runs | PSNR | SSIM | IoU | turned PSNR | turned IoU | yaw error | classes of faced objects |",
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for condition in conditions:
        of_condition = {key: row for key, row in rows.items() if key.endswith(f"/{condition}")}
        values = list(of_condition.values())
        faced = [row["class"] for key, row in of_condition.items() if key.split("/")[0] in FACED_OBJECTS]
        classes = ", ".join(f"{faced.count(name)} {name}" for name in sorted(set(faced)))
        columns = ("psnr", "ssim", "iou", "psnr_turned", "iou_turned", "yaw_error_deg")
        means = [mean(row[name] for row in values) for name in columns]
        lines.append(
            f"| {condition} | {len(values)} | {means[0]:.1f} | {means[1]:.3f} | {means[2]:.3f} | {means[3]:.1f} "
            f"| {means[4]:.3f} | {means[5]:.0f} | {classes} |"
        )
    lines += [""] + [_paired_difference(rows, better, worse) for better, worse in pairwise(conditions)]
    return "\n".join(lines) + "\n"


def _paired_difference(rows: Mapping[str, Row], better: str, worse: str) -> str:
    """The mean difference of PSNR over the objects that have both, raw and turned, with 95 % intervals."""
    names = [key.split("/")[0] for key in rows if key.endswith(f"/{better}")]
    names = [name for name in names if f"{name}/{worse}" in rows]
    parts = []
    for column, label in (("psnr", "raw"), ("psnr_turned", "turned")):
        differences = torch.tensor(
            [rows[f"{name}/{better}"][column] - rows[f"{name}/{worse}"][column] for name in names]
        )
        low, high = paired_bootstrap_interval(differences, torch.Generator().manual_seed(0))
        parts.append(f"{label} {differences.mean():+.1f} dB [{low:+.1f}, {high:+.1f}]")
    return f"PSNR of {better} minus {worse}, paired over {len(names)} objects, 95 % interval: {'; '.join(parts)}"
