"""One HTML file that shows a finished run: prompt, viewer, turntable, contact sheet, and the facts."""

import base64
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from ..storage.images import png_bytes
from .model_page import PageModel, page_html
from .web_page import escaped, filled_page, web_text


def summary_html(
    model: PageModel | None,
    title: str,
    contact_sheet: Float[Tensor, "H W 3"],
    turntable_mp4: bytes | None = None,
    facts: Mapping[str, str] | None = None,
) -> str:
    """A page that holds everything and asks the network for nothing.

    Args:
        model: what the run made; none leaves the viewer away.
        title: shown as text; for a generated asset its prompt.
        contact_sheet: RGB in [0, 1].
        turntable_mp4: the content of a video file; none leaves the place away.
        facts: rows of a table, for example {"steps": "400", "seed": "0"}.

    Raises:
        ValueError: a value of the contact sheet is not finite.
    """
    viewer = ""
    if model is not None:
        page = escaped(page_html([model], title))
        viewer = (
            f'<figure>\n<iframe title="Viewer" srcdoc="{page}"></iframe>\n'
            "<figcaption>Drag to turn it round.</figcaption>\n</figure>"
        )
    video = ""
    if turntable_mp4 is not None:
        source = f"data:video/mp4;base64,{base64.b64encode(turntable_mp4).decode('ascii')}"
        video = f'<figure><video autoplay loop muted playsinline controls src="{source}"></video></figure>'
    rows = (
        f'<tr><th scope="row">{escaped(name)}</th><td>{escaped(value)}</td></tr>'
        for name, value in (facts or {}).items()
    )
    return filled_page(
        "summary.html",
        {
            "title": escaped(title),
            "css": web_text("summary.css"),
            "viewer": viewer,
            "video": video,
            "contact_sheet": base64.b64encode(png_bytes(contact_sheet)).decode("ascii"),
            "facts": "\n".join(rows),
        },
    )
