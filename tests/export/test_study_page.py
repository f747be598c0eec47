"""The report's page in a browser: two results are turned together."""

import base64
import io

import numpy as np
from PIL import Image
from splatdream.export.web_page import filled_page, web_text

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
MIDDLES = """[...document.querySelectorAll("canvas")].map(
    (canvas) => [...canvas.getContext("2d").getImageData(160, 160, 1, 1).data])"""


def strip(*colors: str) -> str:
    """A picture of views side by side, each of one color."""
    pixels = np.concatenate([np.full((8, 8, 3), COLORS[color], np.uint8) for color in colors], axis=1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return f'<img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'


def test_both_sides_show_the_view_that_the_slider_says_of_the_chosen_seed(browser, tmp_path):
    cells = {"a": ("red", "green"), "b": ("blue", "white")}
    places = "".join(
        f'<td data-variant="{name}"><div data-choice="0">{strip(*colors)}</div>'
        f'<div data-choice="1">{strip(*reversed(colors))}</div></td>'
        for name, colors in cells.items()
    )
    parts = {"title": "t", "css": web_text("summary.css") + web_text("study.css"), "verdict": "", "sections": ""}
    parts["options"] = '<option value="0">seed 0</option><option value="1">seed 1</option>'
    parts["pictures"] = f'<tr><th></th><th>a</th><th>b</th></tr><tr><th scope="row">a cat</th>{places}</tr>'
    (tmp_path / "report.html").write_text(filled_page("study.html", parts))
    browser.open((tmp_path / "report.html").as_uri(), 390, 844, is_ready="document.readyState == 'complete'")

    def shown() -> list[str]:
        names = {(*color, 255): name for name, color in COLORS.items()}
        return [names[tuple(pixel)] for pixel in browser.evaluate(MIDDLES)]

    def chosen(control: str, value: int) -> None:
        browser.evaluate(f"{control}.value = {value}; {control}.dispatchEvent(new Event('input'))")

    assert shown() == ["red", "blue"]
    chosen("turn", 1)
    assert shown() == ["green", "white"]
    chosen("choice", 1)
    assert shown() == ["red", "blue"]
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
