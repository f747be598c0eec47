"""The studio's page in headless Chromium: an object grows before whoever looks, and closing the page stops nothing."""

import json
import signal
import time

import pytest
from splatdream.commands.generate import config_of_prior
from splatdream.studio.steering import State, Steering

PATIENCE_S = 300.0
WIDTH, HEIGHT, PANEL = 1280, 800, 400
FIND = "[...document.querySelectorAll('button, [role=tab]')].find(each => each.innerText.trim() == %s)"


@pytest.fixture
def page(tmp_path):
    pytest.importorskip("viser")
    from splatdream.studio.page import StudioPage

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    steering = Steering(tmp_path / "studio", ["--gpu", "cpu"])
    page = StudioPage(steering, 18280, "tiny", "a red cube", config_of_prior)
    page.steering = steering
    yield page
    page.close()
    steering.close()
    signal.signal(signal.SIGINT, before)


def _click(browser, label):
    x, y = browser.evaluate(
        f"(() => {{ const box = ({FIND % json.dumps(label)}).getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def _until(browser, is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, browser.evaluate("document.body.innerText")
        browser.evaluate("1")  # the tab's events are read as they come
        time.sleep(0.1)


def _color(browser):
    """Mean saturation of the scene, the panel and the notices at the other side left out."""
    scene = browser.screenshot()[:, PANEL : WIDTH - PANEL]
    return float((scene.max(axis=-1) - scene.min(axis=-1)).mean())


@pytest.mark.slow
@pytest.mark.browser
def test_an_object_grows_on_the_page_and_closing_it_stops_nothing(browser, page):
    steering = page.steering
    browser.open(page.url, WIDTH, HEIGHT, FIND % '"Start"')
    assert _color(browser) < 0.001  # nothing there yet
    page._form._steps.value = 300
    page._form._further.value = "data.num_test_views=4\ntrainer.limit_val_batches=0\nsystem.exporter.formats=[ply]"
    page._shows_cameras.value = False
    _click(browser, "Start")
    _until(browser, lambda: steering.current is not None)
    folder = steering.current
    _click(browser, "Look")
    _until(browser, lambda: page._seen is not None and page._seen.live is not None)
    text = browser.evaluate("document.body.innerText")
    assert "Saved step" in text and "Export what is shown" in text

    browser.call("Page.navigate", url="about:blank")
    assert steering.state(folder) is State.RUNNING
    _until(browser, lambda: steering.state(folder) is not State.RUNNING)
    assert steering.state(folder) is State.FINISHED, (folder / "run.log").read_text()[-2000:]

    # As if opened again: the first saved step, the last, and the run among the others.
    browser.open(page.url, WIDTH, HEIGHT, FIND % '"Start"')
    page._follows.value = False
    page._slider.value = 30
    _until(browser, lambda: page._seen is not None and page._seen.step == 30)
    _until(browser, lambda: _color(browser) > 0.002)
    time.sleep(2)  # the frames after the first one of a cloud are sharper
    early = _color(browser)
    page._slider.value = 300
    _until(browser, lambda: page._seen.step == 300)
    _until(browser, lambda: _color(browser) > 1.3 * early)
    _click(browser, "Runs")
    _until(browser, lambda: "finished, sds" in browser.evaluate("document.body.innerText"))


def test_a_page_of_another_site_is_not_let_in(page):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = page.url.replace("http", "ws")
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin="https://example.com", proxy=None)
    for origin in (page.url, None):
        connect(address, origin=origin, proxy=None).close()
