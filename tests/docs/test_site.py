"""The documentation site is whole: every page is in the navigation, no link leads nowhere, generated pages have all."""

import functools
import http.server
import importlib.util
import json
import re
import subprocess
import threading

import pytest

tomllib = pytest.importorskip("tomllib")
import architecture_drawing  # noqa: E402
from build_site import ROOT, assemble, build, without_links_that_leave  # noqa: E402
from headless_chromium import SCREENS  # noqa: E402

NAVIGATION = tomllib.loads((ROOT / "docs" / "site" / "zensical.toml").read_text())["project"]["nav"]
needs_zensical = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("zensical", "mkdocstrings_handlers")),
    reason="needs zensical and mkdocstrings-python: pip install -e .[docs]",
)


def pages_of(entries) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    items = entries.values() if isinstance(entries, dict) else entries
    return [page for item in items for page in pages_of(item)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    assemble(folder)
    return folder


@pytest.fixture(scope="module")
def site(sources):
    return build(sources)


def test_the_navigation_has_every_page_once(sources):
    there = [path.relative_to(sources / "docs").as_posix() for path in (sources / "docs").rglob("*.md")]
    assert sorted(pages_of(NAVIGATION)) == sorted(there)


def test_every_field_of_every_registered_class_is_in_the_reference(sources):
    from splatdream.startup.registration import registered_classes

    text = (sources / "docs" / "reference" / "configuration.md").read_text()
    for name, cls in registered_classes().items():
        section = text.split(f"## {name}\n")[1].split("\n## ")[0]
        for field in cls.Config.__dataclass_fields__:
            (row,) = re.findall(rf"^\| `{field}` \|.*\|$", section, re.MULTILINE)
            assert row.split(" | ")[-1].strip(" |"), f"{name}.{field} has no meaning"


def test_every_command_is_in_the_reference(sources):
    text = (sources / "docs" / "reference" / "commands.md").read_text()
    for verb in ("generate", "evaluate", "lab run", "lab tune", "toybox train", "doctor"):
        assert f"## splatdream {verb}\n\n```text\nusage: splatdream" in text


def test_links_out_of_the_pages_become_paths():
    text = "[a](../../configs/a.yaml), [b](../b.md), [c](c.md)"
    assert without_links_that_leave(text, 2) == "a (`configs/a.yaml`), [b](../b.md), [c](c.md)"


@needs_zensical
def test_the_site_is_built_and_can_be_searched(site):
    found = {item["location"].split("#")[0] for item in json.loads((site / "search.json").read_text())["items"]}
    for page in pages_of(NAVIGATION):
        address = page.removesuffix("index.md").removesuffix(".md")
        assert (site / address / "index.html").is_file()
        assert f"{address}/" in found or address in found
    functions = (site / "reference" / "python-functions" / "index.html").read_text()
    assert "splatdream.api.calls.distill" in functions and "A run that is there is not made again" in functions


@needs_zensical
def test_a_link_to_nowhere_fails_the_build(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "x"\n')
    page = tmp_path / "docs" / "index.md"
    page.write_text("# X\n\n[here](#x)\n")
    build(tmp_path)
    for broken in ("[gone](gone.md)", "[gone](#gone)"):
        page.write_text(f"# X\n\n{broken}\n")
        with pytest.raises(subprocess.CalledProcessError) as error:
            build(tmp_path)
        assert "does not exist" in error.value.stdout + error.value.stderr


def test_the_drawing_of_the_rooms_is_the_one_of_the_code():
    drawn = (ROOT / "docs" / "images" / "architecture.svg").read_text()
    assert drawn == architecture_drawing.drawing(), "the rooms have changed; CONTRIBUTING.md has the command"


def test_an_arrow_of_the_drawing_is_an_import_and_every_import_is_a_way_of_arrows():
    graph = architecture_drawing.without_ground(architecture_drawing.imports())
    arrows = architecture_drawing.arrows(graph)
    assert all(other in graph[room] for room, other in arrows)
    drawn = {room: {other for start, other in arrows if start == room} for room in graph}
    for room in graph:
        assert architecture_drawing.reachable(drawn, room) == architecture_drawing.reachable(graph, room)


@needs_zensical
@pytest.mark.browser
@pytest.mark.parametrize("screen", SCREENS)
def test_the_start_page_fits_the_screen(browser, site, screen):
    width, height = SCREENS[screen]
    handler = functools.partial(QuietHandler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/"
        browser.open(address, width, height, "document.readyState === 'complete'")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.errors == []
        assert browser.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert browser.evaluate("document.querySelector('h1').textContent").startswith("splatdream")
        assert all(url.startswith((address, "data:", "about:", "blob:")) for url in browser.requests)
        picture = browser.screenshot()
        assert picture.shape == (height, width, 3)
        assert picture.std() > 0.05
    finally:
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_every_key_that_newcomers_are_told_is_one(sources):
    reference = (sources / "docs" / "reference" / "configuration.md").read_text()
    known = set(re.findall(r"^\| `(\w+)`", reference, re.MULTILINE))
    known |= set(re.findall(r"^\| `\w+` \| `(\w+)` \|", reference, re.MULTILINE))
    known |= set(re.findall(r"^## (splatdream-\S+)", reference, re.MULTILINE))
    of_the_host = {"max_steps", "exp_root_dir", "name", "tag"}
    others = {"mvdream-gaussian", "splatdream view"}
    page = (ROOT / "docs" / "tutorials" / "moving-here.md").read_text()
    told = [text for row in re.findall(r"^\| `.*\|$", page, re.MULTILINE) for text in ours(row)]
    assert len(told) > 60
    unknown = [text for text in told if re.split("[:=]", text)[0].split(".")[-1] not in known | of_the_host | others]
    assert not unknown


def ours(row: str) -> list[str]:
    """What the last column of a row of a table has in code."""
    return re.findall(r"`([^`]+)`", row.rsplit(" | ", maxsplit=1)[-1])
