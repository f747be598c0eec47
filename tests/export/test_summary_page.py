"""The page about a run in a browser: at the width of a phone and of a desk."""

import numpy as np
import pytest
import torch
from headless_chromium import SCREENS, colored
from splatdream.export.plots import Curve, YawPoints
from splatdream.export.summary_page import Pictures, RunSummary, summary_html
from splatdream.export.video import write_mp4
from splatdream.export.viewer_page import gaussian_model
from splatdream.gaussians.initialization import ball
from splatdream.storage.images import png_bytes

PROMPT = 'a "cat" <img src=x onerror=alert(1)> {{css}}'
IS_READY = """document.querySelector('video')?.readyState >= 2 &&
    document.querySelector('iframe').contentDocument?.documentElement?.dataset.state"""


def plain(*color: float) -> torch.Tensor:
    return torch.tensor(color, dtype=torch.float32).expand(8, 8, 3)


def pictures(truth: bool = False) -> Pictures:
    red, green = plain(1, 0, 0).expand(2, 3, 8, 8, 3), plain(0, 1, 0).expand(2, 3, 8, 8, 3)
    return Pictures(red, ["elevation 15", "elevation 45"], ["0", "120", "240"], green if truth else None)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("page")
    write_mp4(folder / "turn.mp4", [torch.full((32, 32, 3), 0.1 * i) for i in range(8)])
    summary = RunSummary(
        title=PROMPT,
        pictures=pictures(truth=True),
        model=gaussian_model(ball(50, 0.5, torch.Generator().manual_seed(0), color=(0.9, 0.2, 0.2), opacity=0.9)),
        turntable_mp4=(folder / "turn.mp4").read_bytes(),
        facts={"method": "sds", "prior": "closed-form", "steps": "4 < 5"},
        command="splatdream train --config quickstart system.prompt_processor.prompt=" + "'a very long one' " * 20,
        seconds_by_stage={"render": 3.0, "guidance": 1.0},
        curves=[Curve("Loss", [10, 20, 30], [0.5, 0.2, 0.1]), Curve("Number of gaussians", [10], [1000])],
        history={200: png_bytes(plain(0, 0, 1)), 400: png_bytes(plain(1, 1, 0)), 600: png_bytes(plain(0, 1, 1))},
        yaw=YawPoints([0, 120, 240], [0, 120, -120], "ok"),
        files={"it600-export/cloud.ply": 123456, "../ckpts/epoch=0-step=600 #1.ckpt": 10},
    )
    (folder / "page.html").write_text(summary_html(summary))
    return (folder / "page.html").as_uri()


def colors(shown: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, (shown.reshape(-1, 3) * 255).round().astype(int).tolist()))


@pytest.mark.browser
@pytest.mark.parametrize("screen", SCREENS)
def test_everything_is_on_the_page_and_nothing_sticks_out(browser, page, screen):
    browser.open(page, *SCREENS[screen], IS_READY)
    assert browser.faults() == [] and browser.messages == []
    assert colored(browser.picture_of("iframe")).mean() > 0.05
    assert colored(browser.picture_of(".views img")).mean() > 0.9
    text = browser.evaluate("document.body.innerText")
    for words in (
        PROMPT,
        "closed-form",
        "4 < 5",
        "--config quickstart",
        "render 3.0 s",
        "Loss, at last 0.1",
        "cloud.ply",
    ):
        assert words in text, words
    state = "document.querySelector('iframe').contentDocument.documentElement.dataset.state"
    assert browser.evaluate(state) == "drawn"
    assert browser.evaluate("document.querySelector('video').videoWidth") == 32
    assert browser.evaluate("[...document.images].every(picture => picture.naturalWidth === 8)")
    plots = "[...document.querySelectorAll('#curves polyline')].map(line => line.getBoundingClientRect().height)"
    assert browser.evaluate(plots)[0] > 40
    widths = browser.evaluate("[...document.querySelectorAll('#stages rect')].map(bar => bar.width.baseVal.value)")
    assert widths == [750, 250]
    links = browser.evaluate("[...document.querySelectorAll('#files a')].map(link => link.getAttribute('href'))")
    assert links == ["it600-export/cloud.ply", "../ckpts/epoch%3D0-step%3D600%20%231.ckpt"]
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)


@pytest.mark.browser
def test_the_slider_goes_through_the_run_and_the_button_shows_the_true_object(browser, page):
    browser.open(page, 600, 900, IS_READY)

    def seen(selector: str) -> set[tuple[int, ...]]:
        box = browser.evaluate(
            f"(e => {{ e.scrollIntoView(); return e.getBoundingClientRect().toJSON(); }})"
            f"(document.querySelector('{selector}'))"
        )
        x, y = (int(box[side] + 2) for side in ("x", "y"))
        return colors(browser.screenshot()[y : y + 3, x : x + 3])

    step = "document.getElementById('step').textContent"
    assert (browser.evaluate(step), seen("#history img:not([hidden])")) == ("step 600", {(0, 255, 255)})
    browser.evaluate("{ time.value = 0; time.dispatchEvent(new Event('input')); }")
    assert (browser.evaluate(step), seen("#history img:not([hidden])")) == ("step 200", {(0, 0, 255)})
    assert seen(".views figure") == {(255, 0, 0)}
    browser.evaluate("document.getElementById('truth').click()")
    assert seen(".views figure") == {(0, 255, 0)}


@pytest.mark.browser
def test_the_page_is_dark_where_the_reader_wants_it(browser, page):
    def paper() -> float:
        return float(browser.screenshot()[-1, 0].mean())

    for scheme, is_dark in (("dark", True), ("light", False)):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(page, 400, 700, IS_READY)
        assert (paper() < 0.2) == is_dark
        browser.evaluate("document.getElementById('theme').click()")
        assert (paper() < 0.2) != is_dark
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_what_a_run_does_not_have_is_left_out():
    html = summary_html(RunSummary("a cat", pictures()))
    for part in ("<iframe", "<video", 'id="history"', 'id="curves"', 'id="yaw"', 'id="truth"', "{{"):
        assert part not in html, part
    assert html.count("<img") == 6 and "a cat" in html
