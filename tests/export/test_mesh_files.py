"""Mesh files: what is written is what is read back, and what other programs accept."""

import base64
import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from splatdream.meshing.mesh import Mesh
from splatdream.texture.mesh_files import read_mesh, write_glb, write_obj
from splatdream.texture.textured_mesh import Material, TexturedMesh, UvLayout

pytest.importorskip("trimesh")
VALIDATOR = "gltf-validator@2.0.0-dev.3.10"


@pytest.fixture
def textured(generator) -> TexturedMesh:
    """A tetrahedron; two of its faces lie in one chart."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    uvs = torch.rand(11, 2, generator=generator)
    uv_faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [8, 9, 10]])
    texture = torch.rand(16, 16, 3, generator=generator)
    return TexturedMesh(Mesh(vertices, faces), UvLayout(uvs, uv_faces), texture, Material(roughness=0.7, metallic=0.2))


def glb_tree(path: Path) -> dict:
    content = path.read_bytes()
    length = struct.unpack("<I", content[12:16])[0]
    return json.loads(content[20 : 20 + length])


@pytest.mark.parametrize("kind", ["glb", "obj"])
def test_geometry_places_and_pixels_come_back(textured, tmp_path, kind):
    path = write_glb(tmp_path / "thing", textured) if kind == "glb" else write_obj(tmp_path / "thing", textured)[0]
    mesh, read = read_mesh(path)
    assert len(mesh.vertices) == 4
    torch.testing.assert_close(mesh.corners, textured.mesh.corners, rtol=0, atol=1e-6)
    torch.testing.assert_close(read.layout.corners, textured.layout.corners, rtol=0, atol=1e-6)
    # Sixteen million colors: exactly the nearest ones, without any change of coding.
    torch.testing.assert_close(read.texture, (255 * textured.texture).round() / 255, rtol=0, atol=0)


def test_the_texture_in_a_glb_is_an_srgb_png_and_the_material_is_kept(textured, tmp_path):
    path = write_glb(tmp_path / "thing.glb", textured)
    tree = glb_tree(path)
    pbr = tree["materials"][0]["pbrMetallicRoughness"]
    assert (pbr["roughnessFactor"], pbr["metallicFactor"]) == (0.7, 0.2)
    assert pbr.get("baseColorFactor", [1, 1, 1, 1]) == [1, 1, 1, 1]
    assert tree["images"][0]["mimeType"] == "image/png"
    assert read_mesh(path)[1].material == textured.material
    assert "extensionsUsed" not in tree


def test_unlit_materials_name_the_extension(textured, tmp_path):
    unlit = TexturedMesh(textured.mesh, textured.layout, textured.texture, Material(is_unlit=True))
    tree = glb_tree(write_glb(tmp_path / "thing.glb", unlit))
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert tree["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}


@pytest.mark.parametrize("kind", ["glb", "gltf", "obj"])
@pytest.mark.parametrize("material", [Material(0.7, 0.2, True), Material(1.0, 0.0, False)])
def test_the_material_comes_back(textured, tmp_path, kind, material):
    written = TexturedMesh(textured.mesh, textured.layout, textured.texture, material)
    path = write_obj(tmp_path / "a", written)[0] if kind == "obj" else write_glb(tmp_path / "a", written)
    if kind == "gltf":
        content = path.read_bytes()
        tree = glb_tree(path)
        start = 20 + struct.unpack("<I", content[12:16])[0] + 8
        tree["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(content[start:]).decode()
        path = tmp_path / "a.gltf"
        path.write_text(json.dumps(tree))
    assert read_mesh(path)[1].material == material


def test_a_file_with_a_lit_part_is_lit(textured, tmp_path):
    unlit = TexturedMesh(textured.mesh, textured.layout, textured.texture, Material(is_unlit=True))
    path = write_glb(tmp_path / "a.glb", unlit)
    content, tree = path.read_bytes(), glb_tree(path)
    tree["materials"].append({"name": "lit"})
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + struct.unpack("<I", content[12:16])[0] :]
    path.write_bytes(struct.pack("<4s4I", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A) + text + rest)
    assert not read_mesh(path)[1].material.is_unlit


@pytest.mark.parametrize("kind", ["glb", "obj"])
def test_files_have_y_up_and_the_front_toward_z(textured, tmp_path, kind):
    path = write_glb(tmp_path / "a", textured) if kind == "glb" else write_obj(tmp_path / "a", textured)[0]
    import trimesh

    bounds = trimesh.load(path, process=False, force="mesh").bounds
    # World x 0..1 (front), y 0..2 (left), z 0..3 (up) is file z, x and y.
    np.testing.assert_allclose(bounds, [[0, 0, 0], [2, 3, 1]], atol=1e-6)


def test_obj_names_its_material_and_image(textured, tmp_path):
    obj, mtl, png = write_obj(tmp_path / "thing", textured)
    assert f"mtllib {mtl.name}" in obj.read_text()
    assert f"map_Kd {png.name}" in mtl.read_text()
    assert Image.open(png).size == (16, 16)
    # Vertices are shared across charts: editors see one closed surface.
    assert sum(line.startswith("v ") for line in obj.read_text().splitlines()) == 4


@pytest.mark.node
@pytest.mark.parametrize("is_unlit", [False, True])
def test_the_khronos_validator_has_nothing_to_say(textured, tmp_path, is_unlit):
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("needs node and npm on the PATH")
    write_glb(
        tmp_path / "thing.glb",
        TexturedMesh(textured.mesh, textured.layout, textured.texture, Material(is_unlit=is_unlit)),
    )
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", VALIDATOR], cwd=tmp_path, check=True)
    script = (
        "const v = require('gltf-validator'), fs = require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync('thing.glb')))"
        ".then(r => console.log(JSON.stringify(r.issues)))"
    )
    done = subprocess.run(["node", "-e", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    issues = json.loads(done.stdout)
    assert issues["numErrors"] == issues["numWarnings"] == issues["numHints"] == 0, issues["messages"]


def test_a_mesh_without_places_has_no_texture(tmp_path):
    path = tmp_path / "bare.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    mesh, textured = read_mesh(path)
    assert len(mesh) == 4 and textured is None and mesh.volume == pytest.approx(1 / 6)


def test_faces_without_area_are_left_out(tmp_path):
    path = tmp_path / "bare.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 2 0 0\nf 1 2 4\nf 1 1 3\n")
    with pytest.raises(ValueError, match="2 faces, and none of them has an area"):
        read_mesh(path)
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 2 0 0\nf 1 2 3\nf 1 2 4\nf 1 1 3\n")
    assert len(read_mesh(path)[0]) == 1


BAD_FILES = {
    "empty.obj": b"",
    "no_faces.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\n",
    "nan.obj": b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "flat.obj": b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
    "cut.glb": b"glTF\x02\x00\x00\x00\xff\xff\x00\x00",
    "huge.ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\nproperty float x\n"
    b"property float y\nproperty float z\nelement face 99999999999\nproperty list uchar int vertex_indices\n"
    b"end_header\n",
    "picture.jpg": b"no mesh",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_one_clear_sentence(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BAD_FILES[name])
    with pytest.raises(ValueError) as error:
        read_mesh(path)
    assert name in str(error.value) and "\n" not in str(error.value)


PLY_HEADER = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n"
PLY_HEADER += "element face {}\nproperty list uchar int vertex_indices\nend_header\n"


@pytest.mark.parametrize(("vertices", "faces"), [(10**11, 10**11), (3, 10**6), (10**6, 1)])
def test_a_ply_that_promises_more_than_it_holds_says_how_much(tmp_path, vertices, faces):
    path = tmp_path / "short.ply"
    path.write_text(PLY_HEADER.format(vertices, faces) + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    with pytest.raises(ValueError, match=r"short\.ply (claims \d+ rows|has \d+ faces, more than)"):
        read_mesh(path)


def test_a_mesh_that_does_not_fit_into_the_memory_is_refused_before_it_is_read(textured, tmp_path, monkeypatch):
    import trimesh
    from splatdream.storage import free_memory

    paths = [write_glb(tmp_path / "a", textured), write_obj(tmp_path / "a", textured)[0], tmp_path / "a.ply"]
    paths[2].write_text(PLY_HEADER.format(3, 1) + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert len(read_mesh(paths[2])[0]) == 1
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 1000)
    monkeypatch.setattr(trimesh, "load", lambda *args, **kwargs: pytest.fail("was read"))
    for path in paths:
        with pytest.raises(ValueError, match=r"GiB of memory.*decimate it") as error:
            read_mesh(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no mesh file"):
        read_mesh(tmp_path / "nothing.glb")


def test_nothing_is_left_behind_when_writing_fails(textured, tmp_path):
    broken = TexturedMesh(textured.mesh, textured.layout, textured.texture * float("nan"), textured.material)
    for write in (write_glb, write_obj):
        with pytest.raises(ValueError, match="not finite"):
            write(tmp_path / "thing", broken)
    for suffix in ("png", "obj"):  # one of the three files cannot be written
        blocked = tmp_path / f"blocked.{suffix}"
        blocked.mkdir()
        with pytest.raises(OSError, match="blocked"):
            write_obj(tmp_path / "blocked", textured)
        assert list(tmp_path.iterdir()) == [blocked]
        blocked.rmdir()
