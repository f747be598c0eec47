from pathlib import Path

import pytest
import torch
from splatdream.export.saving import GaussianSaverMixin
from splatdream.export.summary_page import summary_html
from splatdream.export.video import write_mp4
from splatdream.gaussians.initialization import ball


class System(GaussianSaverMixin):
    """As much of a system as saving needs."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get_save_path(self, filename: str) -> str:
        return str(self.folder / filename)


@pytest.fixture
def sheet() -> torch.Tensor:
    return torch.linspace(0, 1, 40 * 60 * 3).reshape(40, 60, 3)


@pytest.mark.browser
def test_the_page_shows_viewer_video_sheet_and_facts(browser, tmp_path, generator, sheet):
    cloud = ball(50, 0.5, generator)
    write_mp4(tmp_path / "turn.mp4", [torch.full((32, 32, 3), 0.1 * i) for i in range(8)])
    path = System(tmp_path).save_summary(
        "summary.html", cloud, 'a "cat"', sheet, turntable=tmp_path / "turn.mp4", facts={"steps": "4 < 5"}
    )
    browser.open(
        Path(path).as_uri(),
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
    page = summary_html(ball(5, 0.5, generator), "a cat", sheet)
    assert "<video" not in page
    assert "{{" not in page


def test_a_missing_video_file_writes_nothing(tmp_path, generator, sheet):
    with pytest.raises(FileNotFoundError):
        System(tmp_path).save_summary(
            "summary.html", ball(5, 0.5, generator), "a cat", sheet, turntable=tmp_path / "turn.mp4"
        )
    assert list(tmp_path.iterdir()) == []
