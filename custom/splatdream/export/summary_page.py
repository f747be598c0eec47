"""One HTML file about a finished run: what was asked, what came out, what it cost, how it went, and every file.

R rows and C columns of pictures of H by W pixels.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from jaxtyping import Float
from torch import Tensor

from ..storage.images import png_bytes
from .model_page import PageModel, page_html
from .plots import Curve, YawPoints, curve_plot, share_bar, yaw_plot
from .web_page import escaped, filled_page, web_text

_TRUTH_BUTTON = '<button id="truth" type="button" aria-pressed="false">True object</button>'


@dataclass(frozen=True)
class Pictures:
    """What a contact sheet shows."""

    images: Float[Tensor, "R C H W 3"]
    """RGB in [0, 1]."""
    rows: Sequence[str]
    """A label for each row."""
    columns: Sequence[str]
    truth: Float[Tensor, "R C H W 3"] | None = None
    """The true object from the same cameras, where it is known."""


@dataclass(frozen=True)
class RunSummary:
    """What the page tells; what is empty or None is left out."""

    title: str
    """Shown as text; for a generated asset its prompt."""
    pictures: Pictures
    model: PageModel | None = None
    """What the run made."""
    turntable_mp4: bytes = b""
    """The content of a video file."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Rows of a table, for example {"steps": "400", "seed": "0"}."""
    command: str = ""
    """What repeats the run."""
    seconds_by_stage: Mapping[str, float] = field(default_factory=dict)
    curves: Sequence[Curve] = ()
    history: Mapping[int, bytes] = field(default_factory=dict)
    """Pictures of the run under way, by step: the content of PNG files."""
    yaw: YawPoints | None = None
    files: Mapping[str, int] = field(default_factory=dict)
    """Bytes by path, relative to the page's folder, with slashes."""


def summary_html(summary: RunSummary) -> str:
    """A page that holds everything but the files it links to, and asks the network for nothing.

    Raises:
        ValueError: a value of a picture is not finite.
    """
    rows = (
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(value)}</td></tr>'
        for name, value in summary.facts.items()
    )
    seconds = summary.seconds_by_stage
    parts = {
        "title": escaped(summary.title),
        "css": web_text("run.css"),
        "viewer": _viewer(summary),
        "video": _video(summary.turntable_mp4),
        "facts": "\n".join(rows),
        "command": _section("command", "Command", summary.command and f"<pre>{escaped(summary.command)}</pre>"),
        "stages": _section("stages", "Seconds by stage", seconds and share_bar(seconds)),
        "curves": _section("curves", "Over the steps", _curves(summary.curves)),
        "history": _section("history", "In the course of the run", _history(summary.history)),
        "truth_button": "" if summary.pictures.truth is None else _TRUTH_BUTTON,
        "pictures": _picture_rows(summary.pictures),
        "yaw": _section("yaw", "Yaw map", summary.yaw and yaw_plot(summary.yaw)),
        "files": _section("files", "Files", _files(summary.files)),
        "javascript": web_text("run.js"),
    }
    return filled_page("run.html", parts)


def _section(name: str, heading: str, content: object) -> str:
    return f'<section id="{name}">\n<h2>{heading}</h2>\n{content}\n</section>' if content else ""


def _viewer(summary: RunSummary) -> str:
    if summary.model is None:
        return ""
    page = escaped(page_html([summary.model], summary.title))
    return (
        f'<figure>\n<iframe title="Viewer" srcdoc="{page}"></iframe>\n'
        "<figcaption>Drag to turn it round.</figcaption>\n</figure>"
    )


def _video(content: bytes) -> str:
    if not content:
        return ""
    source = f"data:video/mp4;base64,{_base64(content)}"
    return f'<figure><video autoplay loop muted playsinline controls src="{source}"></video></figure>'


def _curves(curves: Sequence[Curve]) -> str:
    return f'<div class="curves">{"".join(curve_plot(curve) for curve in curves)}</div>' if curves else ""


def _history(pictures: Mapping[int, bytes]) -> str:
    if not pictures:
        return ""
    images = (_image(content, f"step {step}", f' data-step="{step}" hidden') for step, content in pictures.items())
    slider = f'<input id="time" type="range" min="0" max="{len(pictures) - 1}" value="{len(pictures) - 1}">'
    return f'{"".join(images)}\n<label>{slider} <output id="step"></output></label>'


def _picture_rows(pictures: Pictures) -> str:
    parts = []
    for row, label in enumerate(pictures.rows):
        parts.append(f'<div>{escaped(label)}</div>\n<div class="views">')
        for column, name in enumerate(pictures.columns):
            shown = [_image(png_bytes(pictures.images[row, column]), f"{label}, {name}", ' class="render"')]
            if pictures.truth is not None:
                true = png_bytes(pictures.truth[row, column])
                shown.append(_image(true, f"True object, {label}, {name}", ' class="truth"'))
            parts.append(f"<figure>{''.join(shown)}<figcaption>{escaped(name)}</figcaption></figure>")
        parts.append("</div>")
    return "\n".join(parts)


def _files(files: Mapping[str, int]) -> str:
    if not files:
        return ""
    items = (
        f'<li><a href="{escaped(quote(path))}">{escaped(path.removeprefix("../"))}</a> <span>{_size(size)}</span></li>'
        for path, size in files.items()
    )
    return f'<ul class="files">\n{"".join(items)}\n</ul>'


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _image(png: bytes, text: str, attributes: str) -> str:
    return f'<img{attributes} alt="{escaped(text)}" src="data:image/png;base64,{_base64(png)}">'


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
