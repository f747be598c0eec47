"""The studio's page in headless Chromium: an object grows before whoever looks, and closing the page stops nothing."""

import json
import signal
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from headless_chromium import SCREENS
from splatdream.assets.base import Asset
from splatdream.assets.field import FieldGeometry
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.assets.textured_mesh import TexturedMeshGeometry
from splatdream.commands.generate import config_of_prior
from splatdream.gaussians.initialization import ball
from splatdream.meshing.mesh import Mesh
from splatdream.studio.steering import State, Steering
from splatdream.texture.textured_mesh import Material, TexturedMesh, UvLayout

PATIENCE_S = 300.0
(WIDTH, HEIGHT), PANEL = SCREENS["desk"], 400
HEADING = "[...document.querySelectorAll('*')].filter((each) => each.innerText?.trim() == 'splatdream studio').at(-1)"
FIND = "[...document.querySelectorAll('button, [role=tab]')].find(each => each.innerText.trim() == %s)"


@pytest.fixture
def page(tmp_path):
    pytest.importorskip("viser")
    from splatdream.studio.page import StudioPage

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    steering = Steering(tmp_path / "studio", ["--gpu", "cpu"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
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
    _press(browser, x, y)


def _press(browser, x, y):
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


def _blue_ball() -> Asset:
    cloud = ball(200, 0.6, torch.Generator().manual_seed(0), color=(0.1, 0.1, 0.9), opacity=0.9)
    return GaussianGeometry.create_from(SimpleNamespace(cloud=lambda: cloud), {})


def _red_field() -> Asset:
    field = FieldGeometry(_FIELD)
    with torch.no_grad():
        for name, parameter in field.named_parameters():
            parameter.fill_(0.0 if "density" in name else 1.0)
        field.volume.field.networks["color"][2].weight.copy_(torch.tensor([1.0, -1.0, -1.0])[:, None].expand(3, 4))
    return field


def _green_tetrahedron() -> Asset:
    vertices = 0.7 * torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    mesh = Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]))
    layout = UvLayout(torch.tensor([[0.0, 0], [1, 0], [0, 1]]), torch.tensor([[0, 1, 2]] * 4))
    green = torch.tensor([0.1, 0.8, 0.1]).expand(4, 4, 3)
    textured = TexturedMesh(mesh, layout, green, Material(is_unlit=True))
    return TexturedMeshGeometry.create_from(SimpleNamespace(textured_mesh=lambda: textured), {})


# Opaque nearly as far as its blob goes.
_FIELD = {
    "num_levels": 1,
    "coarsest": 4,
    "finest": 4,
    "hidden": 4,
    "blob_scale": 200.0,
    "blob_radius": 0.9,
    "step_size": 0.1,
}
ASSETS = {
    "ball": ("splatdream-gaussians", {}, _blue_ball, "200 Gaussians", 2),
    "field": ("splatdream-field", _FIELD, _red_field, "half opaque", 0),
    # What it was made of is gone since.
    "mesh": ("splatdream-textured-mesh", {"source": "gone.obj"}, _green_tetrahedron, "the mesh with its texture", 1),
}
"""Kind, settings, the asset, what the page says of it, and the channel of its color."""


def _saved(folder: Path, kind: str, settings: dict[str, object], asset: Asset) -> Path:
    """A run that went one step."""
    system = {"geometry_type": kind, "geometry": settings, "prompt_processor": {"prompt": folder.name}}
    for name in ("configs", "ckpts"):
        (folder / name).mkdir(parents=True)
    text = yaml.safe_dump({"system": system, "trainer": {"max_steps": 1}})
    (folder / "configs" / "parsed.yaml").write_text(text)
    state = {f"geometry.{name}": tensor for name, tensor in asset.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 0, "global_step": 1}, folder / "ckpts" / "epoch=0-step=1.ckpt")
    return folder


def _faults(browser):
    # three.js finds no bounding sphere of viser's splats, squares with two coordinates; they are drawn.
    return [fault for fault in browser.faults() if "computeBoundingSphere" not in fault]


@pytest.mark.browser
def test_gaussians_fields_and_meshes_are_seen_beside_every_control(browser, page):
    def share(channel):
        """Of the scene that is of this color; what viser says of the browser has a little color, too."""
        scene = browser.screenshot()[:, : WIDTH - PANEL]
        return (scene[..., channel] - np.delete(scene, channel, axis=-1).max(axis=-1) > 0.3).mean()

    browser.open(page.url, WIDTH, HEIGHT, FIND % '"Start"')
    for name, (kind, settings, make, words, channel) in ASSETS.items():
        run = _saved(page.steering.folder / name, kind, settings, make())
        page._guarded(lambda run=run: page._select(run))
        _until(browser, lambda words=words: words in browser.evaluate("document.body.innerText"))
        _until(browser, lambda channel=channel: share(channel) > 0.02)
    # A field that is opaque nowhere yet is nothing to see, and no mesh is left of the run before.
    early = {**_FIELD, "blob_scale": 0.0}
    run = _saved(page.steering.folder / "early", "splatdream-field", early, FieldGeometry(early))
    page._guarded(lambda: page._select(run))
    _until(browser, lambda: share(1) == 0)
    page._guarded(lambda: page._select(page.steering.folder / "mesh"))
    _until(browser, lambda: share(1) > 0.02)
    assert _faults(browser) == []

    browser.open(page.url, *SCREENS["phone"], FIND % '"Start"')
    _until(browser, lambda: share(channel) > 0.02)
    assert _faults(browser) == []
    # The panel covers a part of it, and is folded by its heading.
    place = f"({HEADING}).getBoundingClientRect().toJSON()"
    before = browser.evaluate(place)
    _press(browser, before["x"] + 5, before["y"] + before["height"] / 2)
    _until(browser, lambda: browser.evaluate(place)["y"] > before["y"] + 300)


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
