"""What a table of methods leaves: a report in Markdown, a CSV of all runs, and one picture."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import orbit_cameras
from ..export.contact_sheet import contact_sheet
from ..gaussians.ply import read_ply
from ..rendering.render import render
from ..runner.results import read_result
from ..storage.atomic_file import write_text
from ..storage.images import write_png
from .intervals import difference_text, mean_text
from .method_variants import Variant, settings_of
from .methods_table import Cell, TableRequest
from .table_rows import Row

_COLUMNS = ("psnr", "psnr_turned", "iou_turned", "yaw_error_deg", "front_share")
_COMPARED = (("psnr_turned", "turned PSNR", "dB"), ("iou_turned", "turned IoU", ""))
_LEGEND = (
    "PSNR in dB and silhouette IoU are means over 16 held-out cameras; *turned* is after the best turn about the "
    "vertical axis. The yaw error is 0 for a true object, turned or not, and 90 for one picture on every side. *Front* "
    "is the share of 24 views all round that look most like the front: 0.29 for a true object, more where a face is "
    "repeated. *Time* is that of the optimization, the median over runs."
)
_SIDES_DEG = (0.0, 180.0)
_ELEVATION_DEG = 15.0
_CELL_SIZE = 80


def write_report(request: TableRequest, rows: Mapping[str, Row], report: Path) -> str:
    """Writes `report` (.md) with a .csv and a .png of the same name beside it, and returns the report."""
    text = report_text(request, rows, report.with_suffix(".png").name)
    write_text(report, text)
    write_text(report.with_suffix(".csv"), csv_text(rows))
    write_png(report.with_suffix(".png"), picture(request, rows))
    return text


def report_text(request: TableRequest, rows: Mapping[str, Row], picture_name: str) -> str:
    """Means by variant, differences from the first variant with intervals, and the settings."""
    labels = [variant.label for variant in request.variants]
    by_variant = {label: [row for row in rows.values() if row["variant"] == label] for label in labels}
    lines = [
        f"# {len(labels)} variants at {request.evaluations:,} denoiser evaluations",
        "",
        f"Prompts: {'; '.join(request.prompts)}. Seeds: {', '.join(map(str, request.seeds))}. {len(rows)} runs.",
        "",
        _LEGEND,
        "",
        f"![One row a prompt, one column a variant, front and back of each, seed {request.seeds[0]}]({picture_name})",
        "",
        "| variant | steps | evaluations | time | PSNR | turned PSNR | turned IoU | yaw error | front | classes |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [_variant_line(label, own) for label, own in by_variant.items()]
    lines += ["", *_difference_lines(request, by_variant), "", *_settings_lines(request)]
    return "\n".join(lines) + "\n"


def _variant_line(label: str, rows: Sequence[Row]) -> str:
    values = {name: mean(row[name] for row in rows) for name in (*_COLUMNS, "steps", "evaluations")}
    seconds = median(row["seconds"] for row in rows)  # a mean would tell what else the machine did
    classes = ", ".join(f"{count} {name}" for name, count in Counter(row["class"] for row in rows).most_common())
    return (
        f"| {label} | {values['steps']:.0f} | {values['evaluations']:,.0f} | {seconds:.0f} s "
        f"| {values['psnr']:.1f} | {values['psnr_turned']:.1f} | {values['iou_turned']:.3f} "
        f"| {values['yaw_error_deg']:.0f} | {values['front_share']:.2f} | {classes} |"
    )


def _settings_lines(request: TableRequest) -> list[str]:
    priors = "; ".join(f"{name}: `{request.models[name]}`" for name in {item.prior: None for item in request.variants})
    lines = ["## Settings", "", f"Beside those of `{request.config}`. Priors: {priors}.", ""]
    if request.overrides:
        lines += [f"Of all variants, instead of their own: {', '.join(f'`{item}`' for item in request.overrides)}.", ""]
    return [*lines, *(_settings_line(variant, request.models) for variant in request.variants)]


def _settings_line(variant: Variant, models: Mapping[str, str]) -> str:
    settings = {key: value for key, value in settings_of(variant, models).items() if "prior" not in key}
    listed = ", ".join(f"`{key.removeprefix('system.')}={json.dumps(value)}`" for key, value in settings.items())
    return f"- **{variant.label}** ({variant.prior}): {listed}"


def _difference_lines(request: TableRequest, by_variant: Mapping[str, Sequence[Row]]) -> list[str]:
    """Prompts are the pairs: seeds of one prompt are no independent evidence about another."""
    first, *others = by_variant
    if not others:
        return []
    lines = [
        f"Difference from {first}, paired by prompt with seeds averaged, with 95 % bootstrap intervals over prompts:",
        "",
        f"| variant | {' | '.join(label for _, label, _ in _COMPARED)} |",
        f"|---|{'---|' * len(_COMPARED)}",
    ]
    for label in others:
        shown = []
        for column, _, unit in _COMPARED:
            differences = [
                _mean_of(by_variant[label], prompt, column) - _mean_of(by_variant[first], prompt, column)
                for prompt in request.prompts
            ]
            digits = 1 if unit else 3
            # One prompt is no sample of prompts.
            text = difference_text if len(differences) > 1 else mean_text
            shown.append(text(differences, digits, unit))
        lines.append(f"| {label} | {' | '.join(shown)} |")
    return lines


def _mean_of(rows: Sequence[Row], prompt: str, column: str) -> float:
    return mean(row[column] for row in rows if row["prompt"] == prompt)


def csv_text(rows: Mapping[str, Row]) -> str:
    """A line a run, all that was measured."""
    names = [name for name in next(iter(rows.values())) if name != "folder"]
    file = io.StringIO()
    writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    return file.getvalue()


def picture(request: TableRequest, rows: Mapping[str, Row]) -> Float[Tensor, "H W 3"]:
    """Front and back of what each variant made of each prompt, with the first seed."""
    images = [
        torch.stack([_both_sides(rows[Cell(item, prompt, request.seeds[0]).key]) for item in request.variants])
        for prompt in request.prompts
    ]
    title = f"azimuths 0 and 180, {request.evaluations:,} denoiser evaluations, seed {request.seeds[0]}"
    return contact_sheet(
        torch.stack(images), list(request.prompts), [variant.label for variant in request.variants], title
    )


def _both_sides(row: Row) -> Float[Tensor, "H W 3"]:
    cloud = read_ply(read_result(Path(row["folder"])).file("cloud"))
    cameras = orbit_cameras([_ELEVATION_DEG] * len(_SIDES_DEG), _SIDES_DEG, width=_CELL_SIZE, height=_CELL_SIZE)
    with torch.no_grad():
        rgb = render(cloud, cameras, torch.ones(len(cameras), 3), cloud.sh_degree).rgb
    return torch.cat(list(rgb.clamp(0, 1)), dim=1)
