"""A small file that claims to be large is refused before it is decoded."""

import io
import json
import struct

import pytest
import torch
from analytic import tetrahedron
from PIL import Image
from splatdream.texture.mesh_files import glb_bytes, read_mesh
from splatdream.texture.textured_mesh import Material, TexturedMesh, UvLayout


@pytest.fixture
def glb() -> bytes:
    mesh = tetrahedron()
    uvs = torch.rand(len(mesh.vertices), 2, generator=torch.Generator().manual_seed(0))
    layout = UvLayout(uvs, mesh.faces)
    return glb_bytes(TexturedMesh(mesh, layout, torch.full((8, 8, 3), 0.5), Material(1.0, 0.0, True)))


def changed(glb: bytes, change) -> bytes:
    """The GLB after `change(tree, binary)`, which returns another binary chunk or None."""
    length = struct.unpack_from("<I", glb, 12)[0]
    tree, binary = json.loads(glb[20 : 20 + length]), glb[28 + length :]
    binary = change(tree, binary) or binary
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<2I", len(text), 0x4E4F534A) + text + struct.pack("<2I", len(binary), 0x004E4942) + binary
    return struct.pack("<4s2I", b"glTF", 2, 12 + len(body)) + body


def large_png() -> bytes:
    content = io.BytesIO()
    Image.new("1", (13000, 13000)).save(content, format="PNG")
    assert content.tell() < 30_000
    return content.getvalue()


def with_large_texture(tree, binary):
    png = large_png()
    tree["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(png)})
    tree["images"][0]["bufferView"] = len(tree["bufferViews"]) - 1
    tree["buffers"][0]["byteLength"] = len(binary) + len(png)
    return binary + png


def with_a_long_accessor(tree, binary):
    tree["accessors"][0] |= {"count": 10**11}
    tree["accessors"][0].pop("bufferView")


def with_many_copies(tree, binary):
    faces = tree["accessors"][tree["meshes"][0]["primitives"][0]["indices"]]["count"] // 3
    node = next(node for node in tree["nodes"] if "mesh" in node)
    tree["nodes"] += [dict(node)] * (5_000_000 // faces)


def with_a_mesh_that_is_not_there(tree, binary):
    tree["nodes"][0]["mesh"] = 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_large_texture, r"texture .* has 13000 x 13000 pixels, more than 8192 x 8192; shrink it"),
        (with_a_long_accessor, r"has 33333333333 faces|what .* claims to hold needs about .* GiB of memory"),
        (with_many_copies, r"has 500\d{4} faces, more than 5000000"),
        (with_a_mesh_that_is_not_there, r"is damaged or not a glTF \(IndexError\)"),
    ],
)
def test_a_gltf_that_claims_too_much_is_refused(tmp_path, glb, change, message):
    path = tmp_path / "large.glb"
    path.write_bytes(changed(glb, change))
    with pytest.raises(ValueError, match=message):
        read_mesh(path)


def test_a_gltf_with_its_parts_beside_it_is_read_and_refused_alike(tmp_path, glb):
    def outside(tree, binary):
        (tmp_path / "parts.bin").write_bytes(binary)
        tree["buffers"][0]["uri"] = "parts.bin"
        (tmp_path / "tree.gltf").write_text(json.dumps(tree))
        tree["images"][0] = {"uri": "paint%20ing.png"}
        (tmp_path / "painted.gltf").write_text(json.dumps(tree))

    changed(glb, outside)
    mesh, textured = read_mesh(tmp_path / "tree.gltf")
    assert len(mesh) == 4 and textured.texture.shape == (8, 8, 3)
    (tmp_path / "paint ing.png").write_bytes(large_png())
    with pytest.raises(ValueError, match="13000 x 13000 pixels"):
        read_mesh(tmp_path / "painted.gltf")


def test_a_texture_that_the_material_of_an_obj_names_is_looked_at_first(tmp_path):
    (tmp_path / "a.obj").write_text("mtllib a.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n")
    (tmp_path / "a.mtl").write_text("newmtl m\nmap_Kd a.png\n")
    (tmp_path / "a.png").write_bytes(large_png())
    with pytest.raises(ValueError, match=r"texture a\.png .* 13000 x 13000 pixels"):
        read_mesh(tmp_path / "a.obj")
