"""The report as a page that needs no other file: what every variant made of every prompt side by side, and tables."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from ..export.web_page import escaped, filled_page, web_text
from .cells import Cell, Study
from .records import Standing, picture_path
from .section import Section


def page(study: Study, folder: Path, now: Standing, sections: Sequence[Section]) -> str:
    """The verdict first, then the pictures of one seed and budget at a time, two to turn together, then the rest."""
    first, *rest = map(_section, sections)
    choices = list(dict.fromkeys(map(_choice, study.cells)))
    options = (f'<option value="{number}">{escaped(choice)}</option>' for number, choice in enumerate(choices))
    parts = {
        "title": escaped(study.name),
        "css": web_text("summary.css") + web_text("study.css"),
        "verdict": first,
        "options": "".join(options),
        "pictures": _pictures(study, folder, now, choices),
        "sections": "\n".join(rest),
    }
    return filled_page("study.html", parts)


def _choice(cell: Cell) -> str:
    return ", ".join(filter(None, [f"seed {cell.seed}", cell.budget]))


def _pictures(study: Study, folder: Path, now: Standing, choices: Sequence[str]) -> str:
    """A row a prompt, a column a variant; in each place the pictures of all choices, one of which is shown."""
    variants = list(study.settings)
    places: dict[tuple[str, str], list[str]] = {}
    for cell in study.cells:
        shown = _picture(cell, folder, now)
        number = choices.index(_choice(cell))
        places.setdefault((cell.prompt, cell.variant), []).append(f'<div data-choice="{number}">{shown}</div>')
    prompts = dict.fromkeys(cell.prompt for cell in study.cells)
    header = "".join(f"<th>{escaped(variant)}</th>" for variant in variants)
    lines = (
        f'<tr><th scope="row">{escaped(prompt)}</th>'
        + "".join(
            f'<td data-variant="{escaped(variant)}">{"".join(places.get((prompt, variant), []))}</td>'
            for variant in variants
        )
        + "</tr>"
        for prompt in prompts
    )
    return f"<tr><th></th>{header}</tr>\n" + "\n".join(lines)


def _picture(cell: Cell, folder: Path, now: Standing) -> str:
    if cell.key in now.failed:
        return "failed"
    if cell.key not in now.finished:
        return "not made yet"
    data = base64.b64encode(picture_path(folder, cell.key).read_bytes()).decode("ascii")
    return f'<img alt="{escaped(cell.title)}, from all round" src="data:image/png;base64,{data}">'


def _section(section: Section) -> str:
    paragraphs = "".join(f"<p>{_inline(text)}</p>" for text in section.text.split("\n\n") if text)
    table = ""
    if section.lines:
        lines = "\n".join(_line("td", line) for line in section.lines)
        table = f'<div class="wide"><table>\n{_line("th", section.header)}\n{lines}\n</table></div>'
    return f"<h2>{escaped(section.title)}</h2>\n{paragraphs}\n{section.drawing}\n{table}"


def _line(tag: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escaped(text)}</{tag}>' for text in texts)}</tr>"


def _inline(markdown: str) -> str:
    """Bold, emphasis and code."""
    text = escaped(markdown)
    for pattern, tag in ((r"\*\*(.+?)\*\*", "b"), (r"\*(.+?)\*", "em"), (r"`(.+?)`", "code")):
        text = re.sub(pattern, rf"<{tag}>\1</{tag}>", text)
    return text
