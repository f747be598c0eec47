"""The parts of a page that needs no other file: web/ holds its markup, style and script."""

import html
from collections.abc import Mapping
from importlib.resources import files


def web_text(name: str) -> str:
    """A file of web/."""
    return (files(__package__) / "web" / name).read_text(encoding="utf-8")


def filled_page(name: str, parts: Mapping[str, str]) -> str:
    """The page web/<name> with every {{part}} replaced, as it is: escape what came from a user.

    Raises:
        KeyError: the page names a part that is missing.
    """
    # One pass over the page: a title that contains "{{css}}" stays a title.
    first, *rest = web_text(name).split("{{")
    pieces = (piece.split("}}", 1) for piece in rest)
    return first + "".join(parts[part] + text for part, text in pieces)


def escaped(text: str) -> str:
    """The text for an element or a quoted attribute."""
    return html.escape(text, quote=True)
