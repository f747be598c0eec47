"""One HTML file that shows models in a browser: no server, no network, opened by a double click.

What can be shown is Gaussians (`viewer_page.py`), a mesh (`mesh_page.py`), or both, with a button that switches between
them under one camera. web/page.js is the page, web/splats.js and web/mesh.js draw.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from .web_page import escaped, filled_page, web_text

_SCRIPTS = {"gaussians": ("splats.js", "splat.vert", "splat.frag"), "mesh": ("mesh.js", "mesh.vert", "mesh.frag")}
"""By kind: what draws it, and its shaders."""


@dataclass(frozen=True)
class ViewerCamera:
    """Where the first view looks from, upright."""

    azimuth_deg: float = 0.0
    """0 is the front."""
    elevation_deg: float = 15.0
    """Above zero is from above."""
    distance: float = 2.5
    """World units."""
    fovy_deg: float = 49.1
    """Field of view of the shorter side of the window."""
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What it looks at, world units."""


FRONT_VIEW = ViewerCamera()
"""The front, from slightly above."""
_FRAME_MARGIN = 1.05


@dataclass(frozen=True)
class PageModel:
    """One thing that a page can show."""

    kind: Literal["gaussians", "mesh"]
    label: str
    """Of the button that switches to it."""
    facts: str
    """A few words beside the title, e.g. how many Gaussians."""
    data: Mapping[str, bytes]
    """What its script decodes, by name."""
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Lowest and highest coordinates, world units."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Plain values that its script reads."""


def page_html(
    models: Sequence[PageModel],
    title: str,
    camera: ViewerCamera | None = FRONT_VIEW,
) -> str:
    """A page to turn the models round with mouse, fingers or keys; it asks the network for nothing.

    Args:
        models: at least one; the first is shown first.
        title: shown as text, whatever it contains; for a generated asset its prompt.
        camera: the first view, to which "Reset view" returns; None has all of the first model in view.

    Raises:
        ValueError: there is no model.
    """
    if not models:
        raise ValueError("a page needs at least one model to show")
    scene = {
        "models": [
            {"kind": model.kind, "facts": model.facts, "data": list(model.data), **model.settings} for model in models
        ],
        "camera": asdict(camera or framing_camera(*models[0].bounds)),
        "background": "white",
    }
    kinds = list(dict.fromkeys(model.kind for model in models))
    scripts = ["view3d.js", *(_SCRIPTS[kind][0] for kind in kinds), "page.js"]
    parts = {
        "title": escaped(title),
        "facts": escaped(models[0].facts),
        "switch": _switch(models),
        # Inside a script element "</script" would end it, whatever quotes are around.
        "scene": json.dumps(scene).replace("<", "\\u003c"),
        "data": _data_elements(models),
        "shaders": _shader_elements(kinds),
        "css": web_text("viewer.css"),
        "javascript": "\n".join(web_text(name) for name in scripts),
    }
    return filled_page("viewer.html", parts)


def framing_camera(low: Sequence[float], high: Sequence[float]) -> ViewerCamera:
    """The front view that has a box in view, wherever it lies and however large it is; low, high: its corners."""
    middle = tuple(0.5 * (a + b) for a, b in zip(low, high, strict=True))
    radius = 0.5 * math.dist(low, high) or 1.0
    distance = _FRAME_MARGIN * radius / math.sin(math.radians(0.5 * FRONT_VIEW.fovy_deg))
    return replace(FRONT_VIEW, distance=distance, target=middle)


def _switch(models: Sequence[PageModel]) -> str:
    """A button for each model, if there is a choice."""
    if len(models) == 1:
        return ""
    button = '<button class="model" title="M" aria-pressed="false">{}</button>'
    return f"<span>{' '.join(button.format(escaped(model.label)) for model in models)}</span>"


def _data_elements(models: Sequence[PageModel]) -> str:
    return "\n".join(
        _text_element(f"data-{index}-{name}", base64.b64encode(data).decode("ascii"))
        for index, model in enumerate(models)
        for name, data in model.data.items()
    )


def _shader_elements(kinds: Sequence[str]) -> str:
    return "\n".join(
        _text_element(f"{kind}-{stage}-shader", web_text(name))
        for kind in kinds
        for stage, name in zip(("vertex", "fragment"), _SCRIPTS[kind][1:], strict=True)
    )


def _text_element(name: str, text: str) -> str:
    return f'<script id="{name}" type="text/plain">{text}</script>'
