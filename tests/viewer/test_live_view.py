import signal
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from headless_chromium import SCREENS, colored
from splatdream.assets.base import SCENE_NAME
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.gaussians.cloud import GaussianCloud
from splatdream.gaussians.ply import write_ply
from splatdream.gaussians.spherical_harmonics import rgb_to_sh0
from splatdream.viewer import live_view
from splatdream.viewer.live_view import LiveView


def _cloud(count: int = 3) -> GaussianCloud:
    return GaussianCloud(
        means=torch.arange(3.0 * count).reshape(count, 3),
        log_scales=torch.tensor([0.1, 0.2, 0.3]).log().repeat(count, 1),
        # A quarter turn about z: the first axis of the Gaussian lies along y.
        quats=torch.tensor([[0.5**0.5, 0.0, 0.0, 0.5**0.5]]).repeat(count, 1),
        opacity_logits=torch.zeros(count),
        sh0=rgb_to_sh0(torch.tensor([1.0, 0.5, 0.0])).repeat(count, 1)[:, None],
        shN=torch.zeros(count, 0, 3),
    )


def _asset(count: int = 3) -> GaussianGeometry:
    return GaussianGeometry.create_from(SimpleNamespace(cloud=lambda: _cloud(count)), {})


def _splats(view: LiveView):
    return view._server.scene._handle_from_node_name[SCENE_NAME]


@pytest.fixture
def view(monkeypatch):
    pytest.importorskip("viser")
    monkeypatch.setattr(live_view, "_MIN_INTERVAL_S", 0.0)
    view = LiveView(port=18080)
    yield view
    view.close()


def test_the_page_is_served_on_loopback(view):
    assert view.url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(view.url, timeout=10) as answer:
        assert answer.status == 200
        assert b"<html" in answer.read(1000)


@pytest.mark.browser
def test_what_is_sent_is_on_the_screen(view, browser):
    cloud = _cloud()
    cloud.means *= 0.1
    asset = GaussianGeometry.create_from(SimpleNamespace(cloud=lambda: cloud), {})
    view.update(asset.draw, status="step 10")
    for screen in SCREENS.values():
        browser.open(view.url, *screen, "document.body?.innerText.includes('step 10')")
        deadline = time.monotonic() + 60
        while not colored(browser.screenshot()).mean() > 0.01:
            assert time.monotonic() < deadline
        # three.js finds no bounding sphere of viser's splats, squares with two coordinates; they are drawn.
        assert [fault for fault in browser.faults() if "computeBoundingSphere" not in fault] == []


def test_an_update_sends_centers_covariances_colors_and_opacities(view):
    assert view.update(_asset().draw, status="step 10")
    handle = _splats(view)
    np.testing.assert_allclose(handle.centers, np.arange(9.0).reshape(3, 3))
    # Turned by 90 degrees about z, variances 0.1^2 and 0.2^2 change places.
    np.testing.assert_allclose(handle.covariances[1], np.diag([0.04, 0.01, 0.09]), atol=1e-4)
    np.testing.assert_allclose(handle.rgbs[2], [255, 128, 0], atol=1)
    np.testing.assert_allclose(handle.opacities, 128, atol=1)


def test_the_number_of_gaussians_may_change(view):
    for count in (3, 7, 2):
        view.update(_asset(count).draw)
        assert len(_splats(view).centers) == count


def test_updates_that_come_too_soon_are_skipped(view, monkeypatch):
    monkeypatch.setattr(live_view, "_MIN_INTERVAL_S", 0.5)
    sent = []
    for now in (0.0, 0.2, 0.49, 0.5, 0.9, 1.1):
        monkeypatch.setattr(live_view, "time", SimpleNamespace(monotonic=lambda now=now: now))
        sent.append(view.update(_asset().draw))
    assert sent == [True, False, False, True, False, True]


def test_a_port_in_use_gives_the_next_free_one(view):
    other = LiveView(port=int(view.url.rsplit(":", 1)[1]))
    try:
        assert other.url != view.url
    finally:
        other.close()


def test_without_viser_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    with pytest.raises(ImportError, match="pip install viser"):
        LiveView()


def test_serving_prints_the_address_and_ends_with_ctrl_c(tmp_path):
    write_ply(tmp_path / "asset.ply", _cloud(5))
    # A job that a shell put into the background ignores Ctrl-C, and so would its children.
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script += f"from splatdream.viewer.serve import serve_asset; serve_asset({str(tmp_path / 'asset.ply')!r}, 18080)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        line = next(line for line in process.stdout if line.startswith("asset.ply is at "))
        with urllib.request.urlopen(line.split()[3], timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
