import pytest
import torch
from splatdream.export.summary_page import summary_html
from splatdream.export.video import write_mp4
from splatdream.export.viewer_page import gaussian_model
from splatdream.gaussians.initialization import ball


@pytest.fixture
def sheet() -> torch.Tensor:
    return torch.linspace(0, 1, 40 * 60 * 3).reshape(40, 60, 3)


@pytest.mark.browser
def test_the_page_shows_viewer_video_sheet_and_facts(browser, tmp_path, generator, sheet):
    cloud = ball(50, 0.5, generator)
    write_mp4(tmp_path / "turn.mp4", [torch.full((32, 32, 3), 0.1 * i) for i in range(8)])
    video = (tmp_path / "turn.mp4").read_bytes()
    path = tmp_path / "summary.html"
    path.write_text(summary_html(gaussian_model(cloud), 'a "cat"', sheet, video, {"steps": "4 < 5"}))
    browser.open(
        path.as_uri(),
        width=900,
        height=900,
        is_ready="""document.querySelector('video')?.readyState >= 2 &&
            document.querySelector('iframe').contentDocument?.documentElement?.dataset.state""",
    )
    state = "document.querySelector('iframe').contentDocument.documentElement.dataset.state"
    assert browser.evaluate(state) == "drawn"
    assert browser.evaluate("document.querySelector('video').videoWidth") == 32
    assert browser.evaluate("document.querySelector('img').naturalWidth") == 60
    assert browser.evaluate("document.querySelector('h1').textContent") == 'a "cat"'
    assert browser.evaluate("document.querySelector('table').innerText").split() == ["steps", "4", "<", "5"]
    assert browser.messages == []
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)


def test_a_run_without_video_has_a_page_without_one(generator, sheet):
    page = summary_html(gaussian_model(ball(5, 0.5, generator)), "a cat", sheet)
    assert "<video" not in page
    assert "{{" not in page


def test_an_asset_without_a_model_has_a_page_without_a_viewer(sheet):
    page = summary_html(None, "a cat", sheet)
    assert "<iframe" not in page and "a cat" in page and "{{" not in page
