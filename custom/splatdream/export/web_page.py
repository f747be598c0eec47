"""The parts of a page that needs no other file: web/ holds its markup, style and script."""

import html
from collections.abc import Mapping
from importlib.resources import files


def web_text(name: str) -> str:
    """A file of web/."""
    return (files(__package__) / "web" / name).read_text(encoding="utf-8")


def filled_page(name: str, parts: Mapping[str, str]) -> str:
    """web/page.html round web/<name>, with every {{part}} of both replaced, as it is: escape what came from a user.

    Args:
        parts: `title` and `css`, and what the body names.

    Raises:
        KeyError: the page names a part that is missing.
    """
    return _filled("page.html", {**parts, "body": _filled(name, parts).rstrip()})


def _filled(name: str, parts: Mapping[str, str]) -> str:
    # One pass over the text: a title that contains "{{css}}" stays a title.
    first, *rest = web_text(name).split("{{")
    pieces = (piece.split("}}", 1) for piece in rest)
    return first + "".join(parts[part] + text for part, text in pieces)


def escaped(text: str) -> str:
    """The text for an element or a quoted attribute."""
    return html.escape(text, quote=True)
