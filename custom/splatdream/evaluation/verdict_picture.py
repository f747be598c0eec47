"""One picture that explains a verdict: the views, what the prior says of each, the true sides where they are known."""

from pathlib import Path
from typing import Any

import numpy as np

from ..cameras.conventions import wrap_degrees
from ..storage.atomic_file import atomic_path
from .asset_report import AssetReport
from .front_arcs import smoothed
from .verdict import MEASURES
from .view_posterior import FRONT_PROBABILITY, view_posterior

_COLORS = ("#d62728", "#7f7f7f", "#1f77b4")
_WORDS = ("front", "side", "back")


def write_verdict_picture(path: Path, report: AssetReport) -> Path:
    """A PNG.

    Raises:
        ImportError: matplotlib is missing.
    """
    figure = _figure()(figsize=(12, 7.2), dpi=100, layout="constrained")
    rows = figure.subfigures(3, 1, height_ratios=(1.25, 2.4, 1.6))
    figure.suptitle(f"{report.prompt}: {report.verdict.value.upper()}, {report.reason}", fontsize=11)
    _draw_views(rows[0], report)
    _draw_circle(rows[1].subplots(), report)
    _draw_measures(rows[2].subplots(), report)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
    return path


def _draw_views(area: Any, report: AssetReport) -> None:
    images = report.found.images
    every = max(1, len(images) // 12)
    for axes, index in zip(np.ravel(area.subplots(1, 12)), range(0, len(images), every), strict=False):
        axes.imshow(images[index].clamp(0, 1).cpu().numpy())
        axes.set_title(f"{float(report.found.azimuth_deg[index]) % 360:.0f}", fontsize=8)
        axes.axis("off")


def _draw_circle(axes: Any, report: AssetReport) -> None:
    """p(word) over the azimuth; dots below: the side that the true object shows there."""
    azimuth = np.arange(len(report.found.images)) * 360 / len(report.found.images)
    if report.found.view_errors is not None:
        posterior = view_posterior(report.found.view_errors[None], report.likelihood)
        for word, color, values in zip(_WORDS, _COLORS, posterior, strict=True):
            axes.plot(azimuth, values, "o-", color=color, label=f"p({word})", linewidth=1, markersize=3)
        front = smoothed(posterior[0]).numpy()
        step = 360 / len(azimuth)
        for place in azimuth[front > FRONT_PROBABILITY]:
            axes.axvspan(place - step / 2, place + step / 2, color=_COLORS[0], alpha=0.12, linewidth=0)
        axes.axhline(FRONT_PROBABILITY, color="#cccccc", linewidth=1)
        axes.legend(loc="upper right", fontsize=8)
    else:
        axes.text(
            0.5,
            0.5,
            "no prior of single views was asked, or not all round",
            transform=axes.transAxes,
            ha="center",
        )
    axes.set(xlim=(-15, 375), ylim=(-0.05, 1.05), xlabel="azimuth of the view, degrees", ylabel="probability")
    axes.set_xticks(range(0, 361, 30))
    if report.truth is not None:
        yaw_map = report.truth.yaw_map
        sides = axes.twinx()
        true_side = wrap_degrees(yaw_map.matched_azimuth_deg + yaw_map.rotation_deg)
        sides.plot(yaw_map.azimuth_deg, true_side, "kx", markersize=5)
        sides.set(ylim=(-200, 200), ylabel="x: true side it resembles (0 front)")
        sides.set_yticks((-180, -90, 0, 90, 180))


def _draw_measures(axes: Any, report: AssetReport) -> None:
    """Every measure as a row: its number, its threshold, whether it was used."""
    axes.axis("off")
    rows = []
    for name, value in report.judgment.measures.items():
        threshold = None if report.calibration is None else report.calibration.thresholds.get(name)
        side = ">" if MEASURES[name].sign > 0 else "<"
        says = "" if threshold is None else f"{side} {threshold.value:.2f}: {MEASURES[name].detects.value}"
        rows.append(
            [name, f"{value:.3f}", says, "used" if name in report.judgment.used else "", MEASURES[name].meaning]
        )
    if not rows:
        axes.text(0.5, 0.5, "nothing could be measured round the circle", ha="center")
        return
    table = axes.table(
        rows, colLabels=["measure", "value", "threshold", "", "what it is"], loc="center", cellLoc="left"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.auto_set_column_width(range(5))


def _figure() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(f"the picture of a verdict needs matplotlib: pip install matplotlib ({error})") from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot.figure
