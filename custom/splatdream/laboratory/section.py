"""A part of a report."""

from collections.abc import Sequence
from dataclasses import dataclass

_ESCAPED = "\\|"


@dataclass(frozen=True)
class Section:
    """A part of a report: text in Markdown, then a table."""

    title: str
    text: str = ""
    header: Sequence[str] = ()
    lines: Sequence[Sequence[str]] = ()
    drawing: str = ""
    """Of the page only: HTML."""


def markdown(section: Section) -> str:
    parts = [f"## {section.title}", *([section.text] if section.text else [])]
    if section.lines:
        table = [section.header, ["---"] * len(section.header), *section.lines]
        parts.append("\n".join(f"| {' | '.join(cell.replace('|', _ESCAPED) for cell in line)} |" for line in table))
    return "\n\n".join(parts)
