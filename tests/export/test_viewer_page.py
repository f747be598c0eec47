import html.parser
import re

import numpy as np
import pytest
import torch
from headless_chromium import SCREENS, colored
from splatdream.cameras.batch import orbit_cameras
from splatdream.export.model_page import page_html
from splatdream.export.viewer_page import gaussian_model
from splatdream.export.writing import write_page
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.spherical_harmonics import rgb_to_sh0
from splatdream.rendering.reference import rasterization


def _random_cloud(count: int, sh_degree: int, seed: int = 0) -> GaussianCloud:
    generator = torch.Generator().manual_seed(seed)
    means = 0.8 * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator))
    return GaussianCloud(
        means=means,
        log_scales=(0.02 + 0.08 * torch.rand(count, 3, generator=generator)).log(),
        quats=torch.randn(count, 4, generator=generator),
        opacity_logits=2 * torch.randn(count, generator=generator),
        sh0=rgb_to_sh0(means / 1.6 + 0.5)[:, None],
        shN=0.3 * torch.randn(count, (sh_degree + 1) ** 2 - 1, 3, generator=generator),
    )


def _balls(centers: list[list[float]], colors: list[list[float]]) -> GaussianCloud:
    count = len(centers)
    return GaussianCloud(
        means=torch.tensor(centers),
        log_scales=torch.full((count, 3), 0.08).log(),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(count, 1),
        opacity_logits=torch.full((count,), 6.0),
        sh0=rgb_to_sh0(torch.tensor(colors))[:, None],
        shN=torch.zeros(count, 0, 3),
    )


def _rendered(cloud: GaussianCloud, azimuth_deg: float, elevation_deg: float, background: float) -> np.ndarray:
    cameras = orbit_cameras([elevation_deg], [azimuth_deg], width=200, height=160)
    images, _, _ = rasterization(
        *(cloud.means, cloud.quats, cloud.scales, cloud.opacities, cloud.sh, cameras.viewmats, cameras.Ks),
        *(cameras.width, cameras.height),
        sh_degree=cloud.sh_degree,
        backgrounds=torch.full((1, 3), background),
    )
    return images[0].clamp(0, 1).numpy()


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-12))


def _open(browser, path, cloud: GaussianCloud, view: str) -> np.ndarray:
    write_page(path, gaussian_model(cloud), "a test")
    browser.open(f"{path.as_uri()}#{view}&plain", width=200, height=160)
    return browser.screenshot()


@pytest.mark.browser
@pytest.mark.parametrize("sh_degree", [0, 1, 2, 3])
def test_the_page_shows_what_the_reference_rasterizer_renders(browser, tmp_path, sh_degree):
    cloud = _random_cloud(500, sh_degree)
    shown = _open(browser, tmp_path / "page.html", cloud, "azimuth=40&elevation=20&background=black")
    # 8 bits alone would give 59 dB against an exact image.
    assert _psnr(shown, _rendered(cloud, 40.0, 20.0, 0.0)) > 45
    assert browser.messages == []
    assert browser.requests == [(tmp_path / "page.html").as_uri()]


@pytest.mark.browser
def test_the_first_view_looks_at_the_front_from_slightly_above(browser, tmp_path):
    # Front red at +x, left side green at +y, top blue at +z: azimuth 0 sees red in the middle, green right, blue above.
    cloud = _balls(
        [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
        [[0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.1, 0.9]],
    )
    shown = _open(browser, tmp_path / "page.html", cloud, "")
    assert _psnr(shown, _rendered(cloud, 0.0, 15.0, 1.0)) > 45
    np.testing.assert_allclose(shown[0, 0], 1, atol=1 / 255)
    y, x = np.mgrid[:160, :200] + 0.5
    middles = [
        [np.average(axis, weights=is_this) for axis in (x, y)]
        for is_this in (shown[..., c] - np.delete(shown, c, axis=-1).max(-1) > 0.3 for c in range(3))
    ]
    (red_x, red_y), (green_x, _), (blue_x, blue_y) = middles
    assert abs(red_x - 100) < 1
    assert abs(blue_x - 100) < 1
    assert red_y > 80 > blue_y
    assert green_x > 120


@pytest.mark.browser
@pytest.mark.parametrize("screen", SCREENS)
def test_the_whole_object_and_every_button_are_on_the_screen(browser, tmp_path, screen):
    cloud = _random_cloud(300, 0)
    cloud.means *= 0.75
    write_page(tmp_path / "page.html", gaussian_model(cloud), "an orange cat with a hat on a red car")
    width, height = SCREENS[screen]
    browser.open((tmp_path / "page.html").as_uri(), width, height)
    assert browser.faults() == []
    top = browser.evaluate("document.querySelector('header').getBoundingClientRect().bottom")
    bottom = browser.evaluate("document.querySelector('footer').getBoundingClientRect().top")
    rows, columns = np.nonzero(colored(browser.screenshot()))
    # A ball of radius 0.6 at distance 2.5: 0.54 of the shorter side, and what sticks out of it.
    assert top < rows.min() and rows.max() < bottom and columns.min() > 0 and columns.max() < width - 1
    assert 0.54 * min(width, height) < np.ptp(columns) < min(width, height)


@pytest.mark.browser
def test_dragging_turns_the_object_with_the_pointer(browser, tmp_path):
    cloud = _random_cloud(100, 0)
    _open(browser, tmp_path / "page.html", cloud, "background=black")
    # The shorter side, 160 pixels, is half a turn: 80 to the right look from azimuth -90, 20 down from 22.5 higher.
    for kind, x, y in (("mousePressed", 50, 60), ("mouseMoved", 130, 80), ("mouseReleased", 130, 80)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    assert _psnr(browser.screenshot(), _rendered(cloud, -90.0, 37.5, 0.0)) > 45


@pytest.mark.browser
def test_wheel_keys_and_buttons_zoom_turn_and_reset(browser, tmp_path):
    cloud = _random_cloud(100, 0)
    page = tmp_path / "page.html"
    write_page(page, gaussian_model(cloud), "a test")
    browser.open(f"{page.as_uri()}#background=black", width=400, height=320)
    first = browser.screenshot()
    browser.call("Input.dispatchMouseEvent", type="mouseWheel", x=200, y=160, deltaX=0, deltaY=-200)
    closer = browser.screenshot()
    assert (closer[60:260, 50:350].max(-1) > 0.1).sum() > (first[60:260, 50:350].max(-1) > 0.1).sum()
    browser.evaluate("document.getElementById('reset').click()")
    assert np.array_equal(browser.screenshot(), first)
    browser.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', {key: 'b'}))")
    np.testing.assert_allclose(browser.screenshot()[160, 0], 1, atol=1 / 255)
    browser.evaluate("document.getElementById('turn').click()")
    turning = browser.screenshot()
    assert not np.array_equal(turning, browser.screenshot())
    assert browser.messages == []


@pytest.mark.browser
def test_a_lost_graphics_context_comes_back(browser, tmp_path):
    cloud = _random_cloud(100, 0)
    first = _open(browser, tmp_path / "page.html", cloud, "background=black")
    browser.lose_context()
    assert _psnr(browser.screenshot(), first) > 60


@pytest.mark.browser
def test_an_empty_cloud_is_a_page_without_errors(browser, tmp_path):
    shown = _open(browser, tmp_path / "page.html", _random_cloud(0, 0), "background=gray")
    np.testing.assert_allclose(shown, 0.5, atol=1.1 / 255)
    assert browser.messages == []


@pytest.mark.browser
def test_any_title_is_text(browser, tmp_path):
    title = 'a "cat" </title></script><img src=x onerror=alert(1)> {{scene}} &amp;'
    write_page(tmp_path / "page.html", gaussian_model(_random_cloud(3, 0)), title)
    browser.open((tmp_path / "page.html").as_uri(), width=200, height=160)
    assert browser.evaluate("document.title") == title
    assert browser.evaluate("document.querySelector('h1').textContent") == title
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert browser.messages == []


def test_the_page_names_its_prompt_and_count_and_asks_for_nothing_outside():
    page = page_html([gaussian_model(_random_cloud(1234, 0))], "an orange cat")
    assert '<h1 class="panel">an orange cat</h1>' in page
    assert "1,234 Gaussians" in page
    assert "{{" not in page
    assert not re.search(r"https?://|\bimport\b|@import|src=|fetch\(", page)
    assert "default-src 'none'" in page


def test_the_page_is_small_beside_its_rows():
    # 32 bytes a Gaussian at degree 0, 96 at degree 3, in base64.
    empty = len(page_html([gaussian_model(_random_cloud(0, 0))], "x"))
    assert empty < 40_000
    opaque = _balls([[0.0, 0.0, 0.0]] * 3000, [[0.5, 0.5, 0.5]] * 3000)
    assert abs(len(page_html([gaussian_model(opaque)], "x")) - empty - 3000 * 32 * 4 / 3) < 50
    opaque.shN = torch.zeros(3000, 15, 3)
    assert abs(len(page_html([gaussian_model(opaque)], "x")) - empty - 3000 * 96 * 4 / 3) < 50


def test_every_element_of_the_page_is_closed():
    class Parser(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open_tags = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "link"):
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    parser = Parser()
    parser.feed(page_html([gaussian_model(_random_cloud(5, 3))], "x"))
    parser.close()
    assert parser.open_tags == []


def test_a_cloud_with_nan_is_an_error_that_counts():
    cloud = _random_cloud(5, 0)
    cloud.means[2, 1] = torch.nan
    with pytest.raises(ValueError, match="1 values that are not finite"):
        page_html([gaussian_model(cloud)], "x")
