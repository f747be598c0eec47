"""The page of a mesh, in a real browser, against our own mesh rasterizer."""

import re

import numpy as np
import pytest
import torch
from headless_chromium import SCREENS, colored
from splatdream.cameras.batch import orbit_cameras
from splatdream.export.mesh_page import mesh_model
from splatdream.export.model_page import page_html
from splatdream.export.viewer_page import gaussian_model
from splatdream.export.writing import write_page
from splatdream.gaussians.initialization import from_points

pytest.importorskip("embreex")

from colored_cube import colored_cube
from splatdream.texture.mesh_rendering import paint, rasterize
from splatdream.texture.ray_casting import RayCaster

WIDTH, HEIGHT = 200, 160


def _rendered(textured, azimuth_deg: float, elevation_deg: float, background: float) -> np.ndarray:
    cameras = orbit_cameras([elevation_deg], [azimuth_deg], distance=2.5, width=WIDTH, height=HEIGHT)
    fragments = rasterize(RayCaster(textured.mesh), cameras, supersampling=2)
    return paint(fragments, textured.layout, textured.texture, torch.full((1, 3), background))[0].numpy()


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-12))


def _cloud():
    return from_points(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]), opacity=0.99, scale=0.2)


@pytest.mark.browser
@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 15), (40, 20), (130, -35), (-100, 60), (10, 85)])
def test_the_page_shows_what_our_rasterizer_renders(browser, tmp_path, azimuth, elevation):
    textured = colored_cube()
    page = tmp_path / "page.html"
    write_page(page, mesh_model(textured), "a test")
    browser.open(f"{page.as_uri()}#azimuth={azimuth}&elevation={elevation}&background=black&plain", WIDTH, HEIGHT)
    shown, expected = browser.screenshot(), _rendered(textured, azimuth, elevation, 0.0)
    # 8 bits alone would give 59 dB; a pixel of outline that falls on another side costs most.
    assert _psnr(shown, expected) > 40
    # Base colors are the bytes of the texture: neither lit nor converted.
    assert np.median(np.abs(shown - expected).max(-1)) <= 1 / 255
    assert browser.messages == []
    assert browser.requests[:1] == [page.as_uri()]
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)


@pytest.mark.browser
def test_every_code_value_of_the_texture_reaches_the_screen(browser, tmp_path):
    # One flat color a page: dark values, where a conversion to or from linear light would show most.
    for value in (1, 30, 128, 254):
        textured = colored_cube()
        textured = textured.with_texture(torch.full((4, 4, 3), value / 255))
        page = tmp_path / f"page{value}.html"
        write_page(page, mesh_model(textured), "a test")
        browser.open(f"{page.as_uri()}#plain", WIDTH, HEIGHT)
        middle = browser.screenshot()[HEIGHT // 2, WIDTH // 2]
        np.testing.assert_array_equal(np.round(255 * middle), value)


@pytest.mark.browser
def test_one_page_switches_between_gaussians_and_mesh(browser, tmp_path):
    textured, cloud = colored_cube(), _cloud()
    page = tmp_path / "page.html"
    page.write_text(page_html([gaussian_model(cloud), mesh_model(textured)], "both"))
    mesh_only, cloud_only = tmp_path / "mesh.html", tmp_path / "cloud.html"
    write_page(mesh_only, mesh_model(textured), "mesh")
    write_page(cloud_only, gaussian_model(cloud), "cloud")
    alone = []
    for path in (cloud_only, mesh_only):
        browser.open(f"{path.as_uri()}#plain", WIDTH, HEIGHT)
        alone.append(browser.screenshot())
    browser.open(f"{page.as_uri()}#plain", WIDTH, HEIGHT)
    facts = []
    for expected in (alone[0], alone[1], alone[0], alone[1]):
        np.testing.assert_array_equal(browser.screenshot(), expected)
        facts.append(browser.evaluate("document.getElementById('facts').textContent"))
        browser.evaluate("window.dispatchEvent(new KeyboardEvent('keydown', {key: 'm'}))")
    assert facts[:2] == ["1 Gaussians", "12 faces, 96 \u00d7 96 texture"] and facts[2:] == facts[:2]
    browser.open(f"{page.as_uri()}#plain&model=mesh", WIDTH, HEIGHT)
    np.testing.assert_array_equal(browser.screenshot(), alone[1])
    browser.evaluate("document.querySelectorAll('button.model')[0].click()")
    np.testing.assert_array_equal(browser.screenshot(), alone[0])
    assert browser.messages == []


@pytest.mark.browser
@pytest.mark.parametrize("screen", SCREENS)
def test_both_models_and_every_button_are_on_the_screen(browser, tmp_path, screen):
    page = tmp_path / "page.html"
    page.write_text(
        page_html([mesh_model(colored_cube()), gaussian_model(_cloud())], "a red cube beside a blue sphere")
    )
    width, height = SCREENS[screen]
    for kind in ("mesh", "gaussians"):
        browser.open(f"{page.as_uri()}#model={kind}", width, height)
        assert browser.faults() == []
        top = browser.evaluate("document.querySelector('header').getBoundingClientRect().bottom")
        bottom = browser.evaluate("document.querySelector('footer').getBoundingClientRect().top")
        rows, columns = np.nonzero(colored(browser.screenshot()))
        assert top < rows.min() and rows.max() < bottom and columns.min() > 0 and columns.max() < width - 1
        assert np.ptp(columns) > 0.2 * min(width, height)


@pytest.mark.browser
def test_the_shape_is_shown_in_gray_on_request_and_where_there_is_no_texture(browser, tmp_path):
    textured = colored_cube()
    bare, painted = tmp_path / "bare.html", tmp_path / "painted.html"
    write_page(bare, mesh_model(textured.mesh), "bare")
    write_page(painted, mesh_model(textured), "painted")
    browser.open(f"{bare.as_uri()}#plain&azimuth=30", WIDTH, HEIGHT)
    gray = browser.screenshot()
    assert browser.evaluate("document.getElementById('shape').hidden")
    np.testing.assert_allclose(gray.max(-1), gray.min(-1), atol=1e-3)
    # Three sides are seen, each in a gray of its own.
    inside = gray[..., 0][gray[..., 0] < 0.99]
    counts = np.bincount(np.round(25 * inside).astype(int))
    assert (counts > 200).sum() >= 3
    browser.open(f"{painted.as_uri()}#plain&azimuth=30", WIDTH, HEIGHT)
    browser.evaluate("document.getElementById('shape').click()")
    np.testing.assert_array_equal(browser.screenshot(), gray)
    assert browser.messages == []


@pytest.mark.browser
def test_a_lost_graphics_context_brings_the_mesh_back(browser, tmp_path):
    page = tmp_path / "page.html"
    write_page(page, mesh_model(colored_cube()), "a test")
    browser.open(f"{page.as_uri()}#plain", WIDTH, HEIGHT)
    first = browser.screenshot()
    browser.lose_context()
    assert _psnr(browser.screenshot(), first) > 60


@pytest.mark.browser
def test_a_page_that_was_cut_off_says_so(browser, tmp_path):
    page = tmp_path / "page.html"
    html = page_html([mesh_model(colored_cube())], "a test")
    page.write_text(re.sub(r'(id="data-0-texture" type="text/plain">)[^<]{40}', r"\1", html))
    browser.open(page.as_uri(), WIDTH, HEIGHT)
    assert browser.evaluate("document.documentElement.dataset.state") == "error"
    assert "damaged" in browser.evaluate("document.getElementById('error').textContent")


def test_the_page_asks_for_nothing_outside_and_carries_what_it_shows_only():
    page = page_html([mesh_model(colored_cube())], "a <cube>")
    assert '<h1 class="panel">a &lt;cube&gt;</h1>' in page
    assert "12 faces, 96 \u00d7 96 texture" in page
    assert "{{" not in page
    assert not re.search(r"https?://|\bimport\b|@import|src=|fetch\(", page)
    assert "default-src 'none'" in page
    assert "makeSorter" not in page and "makeMeshRenderer" in page


def test_a_broken_mesh_is_refused_and_nothing_is_written(tmp_path):
    textured = colored_cube()
    with pytest.raises(ValueError, match="not finite"):
        write_page(tmp_path / "page.html", mesh_model(textured.with_texture(textured.texture * torch.nan)), "x")
    with pytest.raises(ValueError, match="at least one model"):
        page_html([], "x")
    assert not list(tmp_path.iterdir())
