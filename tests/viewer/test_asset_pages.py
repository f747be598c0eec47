"""Pages of finished files: `splatdream view FILE`, for meshes and for Gaussians."""

import json
import math
import re
import socket
import urllib.error
import urllib.request

import pytest
import torch
from splatdream.commands.main import main
from splatdream.export.model_page import framing_camera
from splatdream.gaussians.initialization import from_points
from splatdream.gaussians.ply import write_ply
from splatdream.viewer import page_server
from splatdream.viewer.serve import view_asset, write_asset_page

pytest.importorskip("trimesh")

# Far from the origin and large, in the file's axes: y up, the front toward z.
OBJ = "v 100 40 10\nv 120 40 10\nv 100 60 10\nv 100 40 30\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def _scene(page: str) -> dict:
    return json.loads(re.search(r'<script id="scene" type="application/json">(.*?)</script>', page).group(1))


def _answer(url: str, request: bytes) -> bytes:
    """What the server says until it closes the connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_only_the_names_of_this_machine_and_those_who_ask_are_answered(monkeypatch):
    monkeypatch.setattr(page_server, "_IDLE_S", 0.2)
    server = page_server.PageServer("<p>secret</p>", port=18380)
    try:
        for name in (b"localhost:18380", b"127.0.0.1", b"[::1]:18380"):
            assert b"secret" in _answer(server.url, b"GET / HTTP/1.1\r\nHost: " + name + b"\r\n\r\n"), name
        for name in (b"evil.example:18380", b"127.0.0.1.evil.example", b""):
            answer = _answer(server.url, b"GET / HTTP/1.1\r\nHost: " + name + b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.0 421") and b"secret" not in answer, name
        assert _answer(server.url, b"") == b""
    finally:
        server.close()


def test_a_port_that_does_not_exist_is_one_sentence(tmp_path, capsys):
    (tmp_path / "thing.obj").write_text(OBJ)
    with pytest.raises(SystemExit):
        main(["view", str(tmp_path / "thing.obj"), "--port", "70000"])
    assert "error: argument --port: '70000' must be a whole number from 1 to 65535" in capsys.readouterr().err


def test_a_mesh_is_served_on_loopback_until_it_is_closed(tmp_path):
    (tmp_path / "thing.obj").write_text(OBJ)
    view = view_asset(tmp_path / "thing.obj", port=18180)
    other = view_asset(tmp_path / "thing.obj", port=18180)
    try:
        assert view.url.startswith("http://127.0.0.1:") and other.url != view.url
        with urllib.request.urlopen(view.url, timeout=10) as answer:
            assert "4 faces, no texture" in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{view.url}/etc/passwd", timeout=10)
    finally:
        view.close()
        other.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(view.url, timeout=2)


def test_the_command_writes_a_page_that_has_the_whole_mesh_in_view(tmp_path, capsys):
    (tmp_path / "thing.obj").write_text(OBJ)
    page = tmp_path / "page.html"
    assert main(["view", str(tmp_path / "thing.obj"), "--page", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    scene = _scene(page.read_text())
    assert [model["kind"] for model in scene["models"]] == ["mesh"]
    # File (x, y, z) is world (z, x, y): the middle of 10..30, 100..120, 40..60.
    assert scene["camera"]["target"] == [20.0, 110.0, 50.0]
    radius = 0.5 * math.sqrt(3) * 20
    assert radius / math.sin(math.radians(49.1 / 2)) < scene["camera"]["distance"] < 3 * radius


def test_gaussians_get_a_page_too(tmp_path):
    write_ply(tmp_path / "cloud.ply", from_points(torch.rand(50, 3), torch.rand(50, 3)))
    page = write_asset_page(tmp_path / "cloud.ply", tmp_path / "pages" / "cloud.html")
    assert [model["kind"] for model in _scene(page.read_text())["models"]] == ["gaussians"]


def test_what_cannot_be_shown_leaves_no_page(tmp_path, capsys):
    (tmp_path / "thing.glb").write_bytes(b"glTF")
    assert main(["view", str(tmp_path / "thing.glb"), "--page", str(tmp_path / "page.html")]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: cannot read") and "thing.glb" in error
    assert not (tmp_path / "page.html").exists()


def test_a_point_is_framed_from_a_distance():
    camera = framing_camera((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    assert camera.target == (1.0, 2.0, 3.0) and camera.distance > 1
