"""Tables of a report for a paper: LaTeX with the packages booktabs and longtable."""

from collections.abc import Sequence

from .section import Section

_ESCAPED = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex(sections: Sequence[Section]) -> str:
    """A table for each section that has one."""
    return "\n\n".join(_table(section) for section in sections if section.lines) + "\n"


def escaped_latex(text: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in text)


def _table(section: Section) -> str:
    lines = [
        "\\begin{longtable}{" + "l" * len(section.header) + "}",
        f"\\caption{{{escaped_latex(section.title)}}} \\\\",
        "\\toprule",
        _line(section.header),
        "\\midrule",
        "\\endhead",
        *map(_line, section.lines),
        "\\bottomrule",
        "\\end{longtable}",
    ]
    return "\n".join(lines)


def _line(texts: Sequence[str]) -> str:
    return f"{' & '.join(map(escaped_latex, texts))} \\\\"
