"""How large a mesh file says it is, before anything is decoded: a small file can claim more than there is memory."""

import base64
import binascii
import io
import json
import math
import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from PIL import Image, UnidentifiedImageError

from ..storage.free_memory import require_free_memory

MAX_TEXTURE_PIXELS = 8192**2
# As it is decoded, as RGB, and as 32-bit floats.
_BYTES_PER_PIXEL = 28
# An attribute is unpacked, joined with those of other parts, and turned to world axes.
_MEMORY_GROWTH = 6
# Magic, version and length of the file; length and type of its first chunk, which is JSON (glTF 2.0, sec. 4.4).
_GLB_HEADER = struct.Struct("<4s4I")
_CHUNK_HEADER = struct.Struct("<2I")
_COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


def check_claims(path: Path, max_faces: int) -> None:
    """Of a glTF or an OBJ; does nothing for another file.

    Raises:
        ValueError: more faces than `max_faces`, a texture that is too large, more than the memory holds, or a file
            that cannot be understood.
    """
    suffix = path.suffix.lower()
    if suffix in (".glb", ".gltf"):
        tree = gltf_tree(path)
        try:
            _check_accessors(path, tree, max_faces)
            _check_textures(path, _gltf_textures(path, tree))
        except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"cannot read {path}: it is damaged or not a glTF ({type(error).__name__})") from error
    elif suffix == ".obj":
        _check_textures(path, _obj_textures(path))


def gltf_tree(path: Path) -> dict[str, Any]:
    """The JSON of a .glb or .gltf.

    Raises:
        ValueError: there is none.
    """
    with path.open("rb") as file:
        text = file.read(_glb_lengths(file)[1]) if path.suffix.lower() == ".glb" else file.read()
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot read {path}: it is damaged or not a glTF ({type(error).__name__})") from error
    if not isinstance(tree, dict):
        raise ValueError(f"cannot read {path}: it is damaged or not a glTF (its JSON is no object)")
    return tree


def _glb_lengths(file: BinaryIO) -> tuple[int, int]:
    """Where the JSON begins and how long it is; leaves the file there."""
    header = file.read(_GLB_HEADER.size)
    if len(header) < _GLB_HEADER.size or header[:4] != b"glTF":
        raise ValueError(f"cannot read {file.name}: it does not begin like a GLB; export it again")
    return _GLB_HEADER.size, _GLB_HEADER.unpack(header)[3]


def _check_accessors(path: Path, tree: Mapping[str, Any], max_faces: int) -> None:
    """Every node shows a mesh of its own, so that one mesh counts as often as it is shown."""
    needed = num_faces = 0
    for node in tree.get("nodes", []):
        if "mesh" not in node:
            continue
        for primitive in tree["meshes"][node["mesh"]]["primitives"]:
            attributes = [tree["accessors"][index] for index in primitive["attributes"].values()]
            corners = tree["accessors"][primitive["indices"]] if "indices" in primitive else attributes[0]
            num_faces += int(corners["count"]) // 3
            needed += sum(map(_accessor_bytes, [corners, *attributes]))
    if num_faces > max_faces:
        raise ValueError(f"{path} has {num_faces} faces, more than {max_faces}; decimate it in an editor first")
    require_free_memory(_MEMORY_GROWTH * needed, f"what {path} claims to hold", "decimate it in an editor first")


def _accessor_bytes(accessor: Mapping[str, Any]) -> int:
    size = _COMPONENT_BYTES[accessor["componentType"]] * _COMPONENTS[accessor["type"]] * int(accessor["count"])
    if size < 0:
        raise ValueError(f"an accessor has {accessor['count']} elements")
    return size


def _check_textures(path: Path, textures: Iterator[tuple[str, io.BytesIO | Path]]) -> None:
    """Reads their headers only."""
    total = 0
    for name, content in textures:
        try:
            width, height = _image_size(content)
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError, struct.error):
            continue  # what is no image is left out of the mesh later
        except Image.DecompressionBombError:
            width = height = math.inf
        if width * height > MAX_TEXTURE_PIXELS:
            size = f"{width} x {height}" if math.isfinite(width) else "far more"
            side = math.isqrt(MAX_TEXTURE_PIXELS)
            raise ValueError(f"the texture {name} of {path} has {size} pixels, more than {side} x {side}; shrink it")
        total += width * height
    require_free_memory(_BYTES_PER_PIXEL * total, f"the textures of {path}", "shrink them in an editor first")


def _image_size(content: io.BytesIO | Path) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the sentence says more
        with Image.open(content) as image:
            return image.size


def _gltf_textures(path: Path, tree: Mapping[str, Any]) -> Iterator[tuple[str, io.BytesIO | Path]]:
    for index, image in enumerate(tree.get("images", [])):
        name = str(image.get("name", index))
        if "bufferView" in image:
            view = tree["bufferViews"][image["bufferView"]]
            content = _view_bytes(path, tree, view)
        elif str(image.get("uri", "")).startswith("data:"):
            content = _data(image["uri"])
        elif "uri" in image:
            yield name, path.parent / unquote(image["uri"])
            continue
        else:
            continue
        yield name, io.BytesIO(content)


def _view_bytes(path: Path, tree: Mapping[str, Any], view: Mapping[str, Any]) -> bytes:
    buffer = tree["buffers"][view["buffer"]]
    start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
    uri = buffer.get("uri")
    if uri is not None and uri.startswith("data:"):
        return _data(uri)[start : start + length]
    with (path if uri is None else path.parent / unquote(uri)).open("rb") as file:
        if uri is None:
            begin, size = _glb_lengths(file)
            start += begin + size + _CHUNK_HEADER.size
        file.seek(start)
        return file.read(length)


def _data(uri: str) -> bytes:
    try:
        return base64.b64decode(uri.partition(",")[2])
    except binascii.Error as error:
        raise ValueError(f"a data URI cannot be decoded: {error}") from error


def _obj_textures(path: Path) -> Iterator[tuple[str, Path]]:
    """The images that the materials of an OBJ name."""
    for library in _arguments(path, "mtllib"):
        materials = path.parent / library
        if materials.is_file():
            for name in _arguments(materials, "map_"):
                if (path.parent / name).is_file():
                    yield name, path.parent / name


def _arguments(path: Path, keyword: str) -> list[str]:
    """The last word of each line that begins with a keyword."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = (line.split() for line in file if line.lstrip().lower().startswith(keyword))
        return [words[-1] for words in lines if len(words) > 1]
