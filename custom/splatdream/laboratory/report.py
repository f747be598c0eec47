"""The report of a study: Markdown, CSV, LaTeX, and a page that needs no other file."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..runner.results import read_result
from ..storage.atomic_file import write_text
from .cells import Study
from .curve_drawing import drawing
from .curves import COSTS, curve, gains
from .findings import (
    Difference,
    Row,
    budgets,
    budgets_apart,
    columns,
    compared,
    differences,
    interval_text,
    less_is_better,
    rows_at,
    rows_of,
    shown,
    summary,
)
from .latex import latex
from .measures import MEASURES
from .records import Standing, standing
from .report_page import page
from .section import Section, markdown
from .significance import pairs_needed
from .tuning_report import tuning_sections

ONE_BUDGET = (
    "There is one budget only: this compares the variants at that cost. A ranking needs a curve over several budgets "
    "(`budgets` in the plan), each length a run of its own, until a doubling gains little."
)
AS_CONFIGURED = "as configured"


def write_report(study: Study, folder: Path) -> str:
    """Writes report.md, report.csv, report.tex and report.html to the study's folder, and returns the first."""
    now = standing(folder, study)
    rows = rows_of(study, now)
    parts = sections(study, rows, now, folder)
    text = "\n\n".join([f"# {study.name}", *map(markdown, parts)]) + "\n"
    write_text(folder / "report.md", text)
    write_text(folder / "report.csv", csv_text(rows))
    write_text(folder / "report.tex", latex(parts))
    write_text(folder / "report.html", page(study, folder, now, parts))
    return text


def csv_text(rows: Sequence[Row]) -> str:
    """A line a run, all that was measured."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def sections(study: Study, rows: Sequence[Row], now: Standing, folder: Path) -> list[Section]:
    found, versions = differences(study, rows), _versions(now, folder)
    parts = [
        Section("In short", _in_short(study, found, now)),
        _curves(study, rows),
        _means(study, rows),
        _differences(study, found),
        Section("What this can tell", _power(study, rows, found) + _mixture(versions)),
        Section("Failed", "", ("result", "reason"), _failures(study, now)),
        *(tuning_sections(study.tuning) if study.tuning else []),
        _settings(study),
        Section("Versions", "", ("what", "which"), [[name, ", ".join(values)] for name, values in versions.items()]),
    ]
    return [part for part in parts if part.text or part.lines]


def _in_short(study: Study, found: Sequence[Difference], now: Standing) -> str:
    lines = [f"{len(study.cells)} results: {now.line()}."]
    first = next(iter(study.settings))
    for column in dict.fromkeys(item.column for item in found):
        sign = -1 if column in less_is_better(study) else 1
        best = max((item for item in found if item.column == column), key=lambda item: sign * item.mean)
        if sign * best.mean <= 0:
            lines.append(f"In {column} no variant is better than **{first}**.")
            continue
        sure = "this is sure" if best.is_sure else "this is **not sure**"
        at = f" at {best.budget}" if best.budget else ""
        lines.append(f"In {column} **{best.variant}**{at} leads by {_amount(best)} over {first}; {sure}.")
    return "\n\n".join(lines)


def _means(study: Study, rows: Sequence[Row]) -> Section:
    present = list(dict.fromkeys(name for name in columns(study) for row in rows if name in row))
    lines = [
        [variant, names or AS_CONFIGURED, *_means_line(study, rows_at(rows, variant, budget), present)]
        for variant in study.settings
        for budget, names in budgets_apart(study, variant).items()
    ]
    legend = " ".join(MEASURES[name].legend for name in study.measures)
    text = f"Means over prompts, seeds inside; in brackets 95 % bootstrap intervals over prompts. {legend}"
    return Section("Means", text, ("variant", "budget", "runs", *present), lines)


def _means_line(study: Study, own: Sequence[Row], present: Sequence[str]) -> list[str]:
    return [str(len(own)), *((interval_text if name in compared(study) else summary)(own, name) for name in present)]


def _curves(study: Study, rows: Sequence[Row]) -> Section:
    """Empty where there is one budget."""
    if len(budgets(study)) == 1:
        return Section("Curves")
    drawings = [
        drawing({variant: curve(rows, variant, column, cost) for variant in study.settings}, cost, column)
        for column in compared(study)
        for cost in COSTS
        if any(column in row and cost in row for row in rows)
    ]
    lines = [
        [gain.variant, gain.shorter, gain.longer, column, _signed(gain.mean, gain.interval)]
        for column in compared(study)
        for gain in gains(study, rows, column)
    ]
    text = (
        "Every length is a run of its own, since schedules follow it. Points are means over prompts with 95 % "
        "bootstrap intervals; the table has what each longer budget gains, paired by prompt."
    )
    header = ("variant", "from", "to", "measure", "gain")
    return Section("Curves", text, header, lines, f'<div class="curves">{"".join(drawings)}</div>')


def _differences(study: Study, found: Sequence[Difference]) -> Section:
    first = next(iter(study.settings))
    text = (
        f"From **{first}** at the same budget, paired by prompt with seeds averaged, with 95 % bootstrap intervals "
        "over prompts. *p* is that of random signs, *p (Holm)* is corrected for all lines of this table; where a "
        "variant and the first one have the same runs at two budgets, there is one line."
    )
    header = ("variant", "budget", "measure", "prompts", "difference", "p", "p (Holm)")
    lines = [
        [
            *(item.variant, item.budget or AS_CONFIGURED, item.column, str(item.num_prompts), _amount(item)),
            *map(_p_text, (item.p_value, item.adjusted)),
        ]
        for item in found
    ]
    return Section("Paired differences", text if lines else "", header, lines)


def _p_text(p_value: float) -> str:
    return f"{p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def _amount(item: Difference) -> str:
    return _signed(item.mean, item.interval)


def _signed(value: float, interval: tuple[float, float] | None) -> str:
    text = f"{'+' if value > 0 else ''}{shown(value)}"
    return text if interval is None else f"{text} [{', '.join(map(shown, interval))}]"


def _power(study: Study, rows: Sequence[Row], found: Sequence[Difference]) -> str:
    prompts = len({row["prompt"] for row in rows})
    lines = [f"{prompts} prompts; seeds of one prompt count as one. Intervals speak of prompts like these."]
    if found:
        needed = pairs_needed(len(found))
        lines.append(
            f"With {prompts} prompts no p-value is below {2.0 ** (1 - prompts):.2g}. {len(found)} differences are "
            f"looked at: at least {needed} prompts, all of which differ and agree, are needed before any can be sure "
            "after Holm's correction."
        )
        halves: dict[str, list[float]] = {}
        for item in found:
            if item.interval:
                halves.setdefault(item.column, []).append((item.interval[1] - item.interval[0]) / 2)
        if halves:
            listed = ", ".join(f"{shown(min(own))} to {shown(max(own))} in {column}" for column, own in halves.items())
            lines.append(f"Half an interval, below which a difference cannot be seen, is by variant {listed}.")
    return "\n\n".join([*lines, *([ONE_BUDGET] if len(budgets(study)) == 1 else [])])


def _failures(study: Study, now: Standing) -> list[list[str]]:
    return [[cell.title, now.failed[cell.key].error or ""] for cell in study.cells if cell.key in now.failed]


def _settings(study: Study) -> Section:
    keys = sorted({key for settings in study.settings.values() for key in settings})
    lines = [[key, *(_value(settings, key) for settings in study.settings.values())] for key in keys]
    text = f"All keys of the resolved configurations in which variants differ, for {study.cells[0].prompt!r}."
    return Section("Differences in configuration", text if lines else "", ("key", *study.settings), lines)


def _value(settings: object, key: str) -> str:
    return json.dumps(settings[key]) if key in settings else ""


def _mixture(versions: Mapping[str, Sequence[str]]) -> str:
    """A warning where runs were not all made alike; else nothing."""
    mixed = [f"{name} ({', '.join(values)})" for name, values in versions.items() if len(values) > 1]
    return (
        f"\n\n**Runs differ in {'; '.join(mixed)}**: seconds do not compare, and objects may differ by it."
        if mixed
        else ""
    )


def _versions(now: Standing, folder: Path) -> dict[str, list[str]]:
    """Every value that occurs among the runs."""
    seen = {"splatdream": [__version__]}
    for record in now.finished.values():
        manifest = read_result(folder / record.run).read_manifest()
        facts = {**(manifest.get("packages") or {}), **(manifest.get("machine") or {})}
        for name, value in facts.items():
            known = seen.setdefault(name, [])
            if value is not None and str(value) not in known:
                known.append(str(value))
    return {name: values for name, values in seen.items() if values}
