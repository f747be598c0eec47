"""Gaussians in a GLB: glTF 2.0 with the extension KHR_gaussian_splatting, kernel "ellipse".

Every number is kept as it is in the world's axes; a node turns them to glTF's. Scales and opacities are linear there.

N Gaussians.
"""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..storage.atomic_file import write_bytes
from ..storage.free_memory import require_free_memory
from .cloud import GaussianCloud
from .composition import cat, transform
from .ply import MIN_LOG_SCALE, checked_cloud
from .rotations import quat_to_matrix
from .spherical_harmonics import num_coefficients, sh0_to_rgb

EXTENSION = "KHR_gaussian_splatting"
_FILE_TO_WORLD = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
_WORLD_TO_FILE_XYZW = [-0.5, -0.5, -0.5, 0.5]
_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\0"
_MAX_DEGREE = 3
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5126: "<f4"}
_UNIT, _POINTS, _ARRAY_BUFFER = 255, 0, 34962
# Peak memory by file size, counted: columns, tensors, and what a rotation makes of them.
_MEMORY_GROWTH = 5


def write_gaussian_glb(path: str | os.PathLike, cloud: GaussianCloud) -> Path:
    """A GLB with the Gaussians, and with points in their colors for programs that do not know the extension.

    Raises:
        ValueError: the cloud is empty; glTF has no accessors without rows.
    """
    if len(cloud) == 0:
        raise ValueError(f"{path} is not written: an empty cloud has no GLB; write a plain PLY")
    columns = _columns(cloud.detach().to("cpu"))
    body, views, accessors = b"", [], []
    for name, column in columns.items():
        data = column.tobytes()
        views.append({"buffer": 0, "byteOffset": len(body), "byteLength": len(data), "target": _ARRAY_BUFFER})
        accessors.append(_accessor(len(views) - 1, column))
        if name == "POSITION":
            accessors[-1] |= {"min": column.min(axis=0).tolist(), "max": column.max(axis=0).tolist()}
        body += data
    primitive = {
        "mode": _POINTS,
        "attributes": {name: index for index, name in enumerate(columns)},
        "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}},
    }
    tree = {
        "asset": {"version": "2.0", "generator": "splatdream"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "rotation": _WORLD_TO_FILE_XYZW}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": len(body)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    head = json.dumps(tree).encode()
    chunks = _chunk(_JSON, head + b" " * (-len(head) % 4)) + _chunk(_BIN, body)
    return write_bytes(path, struct.pack("<4sII", _MAGIC, 2, 12 + len(chunks)) + chunks)


def glb_holds_gaussians(path: str | os.PathLike) -> bool:
    """True if this GLB says that it uses the extension; false for meshes, and for what is no GLB."""
    try:
        return EXTENSION in _read_chunks(Path(path))[0].get("extensionsUsed", ())
    except ValueError:
        return False


def read_gaussian_glb(path: str | os.PathLike) -> GaussianCloud:
    """All Gaussians of the file's scene in one cloud, in the world's axes (docs/conventions.md).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no GLB of Gaussians, a broken one, one with values that are not finite or with compressed numbers,
            or one that is too large for the memory.
    """
    path = Path(path)
    require_free_memory(_MEMORY_GROWTH * path.stat().st_size, str(path), "prune it in a splat editor first")
    tree, body = _read_chunks(path)
    try:
        clouds = list(_clouds(tree, body))
    except (KeyError, IndexError, TypeError, RecursionError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be read as a GLB of Gaussians: {error!r}") from error
    if not clouds:
        raise ValueError(f"{path} holds no Gaussians: no primitive of its scene has {EXTENSION}")
    return checked_cloud(path, cat(clouds))


def _columns(cloud: GaussianCloud) -> dict[str, np.ndarray]:
    """The attributes in the order of the file; every row is a multiple of 4 bytes."""
    rgba = torch.cat([sh0_to_rgb(cloud.sh0[:, 0]), cloud.opacities[:, None]], dim=1).clamp(0, 1)
    quats = torch.nn.functional.normalize(cloud.quats, dim=-1)
    columns = {
        "POSITION": cloud.means,
        "ROTATION": quats[:, [1, 2, 3, 0]],
        "SCALE": cloud.scales,
        "OPACITY": cloud.opacities[:, None],
    } | {_sh_name(index): cloud.sh[:, index] for index in range(num_coefficients(cloud.sh_degree))}
    floats = {_attribute(name): np.ascontiguousarray(column, dtype="<f4") for name, column in columns.items()}
    return floats | {"COLOR_0": (_UNIT * rgba).round().to(torch.uint8).numpy()}


def _attribute(name: str) -> str:
    return name if name == "POSITION" else f"{EXTENSION}:{name}"


def _sh_name(index: int) -> str:
    """Of a coefficient, counted from degree 0."""
    degree = int(index**0.5)
    return f"SH_DEGREE_{degree}_COEF_{index - degree * degree}"


def _accessor(view: int, column: np.ndarray) -> dict[str, object]:
    kind = next(name for name, width in _WIDTHS.items() if width == column.shape[1])
    component = next(code for code, dtype in _COMPONENTS.items() if np.dtype(dtype) == column.dtype)
    facts = {"bufferView": view, "componentType": component, "count": len(column), "type": kind}
    return facts if column.dtype.kind == "f" else facts | {"normalized": True}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<I4s", len(data), kind) + data


def _read_chunks(path: Path) -> tuple[dict, bytes]:
    """The JSON and the binary chunk; ValueError where the file is no GLB."""
    data = path.read_bytes()
    try:
        magic, version, _ = struct.unpack_from("<4sII", data)
        length, kind = struct.unpack_from("<I4s", data, 12)
        tree = json.loads(data[20 : 20 + length])
        if (magic, version, kind) != (_MAGIC, 2, _JSON) or not isinstance(tree, dict):
            raise ValueError("it does not begin as one")
    except (struct.error, ValueError) as error:
        raise ValueError(f"{path} is not a binary glTF 2.0: {error}") from error
    return tree, data[28 + length :]


def _clouds(tree: dict, body: bytes) -> Iterator[GaussianCloud]:
    for node, matrix in _nodes(tree, tree["scenes"][tree.get("scene", 0)]["nodes"], torch.eye(4)):
        if "mesh" not in node:
            continue
        for primitive in tree["meshes"][node["mesh"]]["primitives"]:
            if EXTENSION in primitive.get("extensions", {}):
                yield _placed(_cloud(tree, body, primitive), matrix)


def _nodes(tree: dict, indices: list[int], parent: Float[Tensor, "4 4"]) -> Iterator[tuple[dict, Tensor]]:
    """Each node below, and its matrix from its own coordinates to those of the file."""
    for index in indices:
        node = tree["nodes"][index]
        matrix = parent @ _matrix(node)
        yield node, matrix
        yield from _nodes(tree, node.get("children", []), matrix)


def _matrix(node: dict) -> Float[Tensor, "4 4"]:
    if "matrix" in node:
        return torch.tensor(node["matrix"], dtype=torch.float32).reshape(4, 4).T  # column by column in the file
    x, y, z, w = node.get("rotation", [0, 0, 0, 1])
    matrix = torch.eye(4)
    matrix[:3, :3] = quat_to_matrix(torch.tensor([[w, x, y, z]], dtype=torch.float32))[0]
    matrix[:3, :3] *= torch.tensor(node.get("scale", [1.0, 1.0, 1.0]))
    matrix[:3, 3] = torch.tensor(node.get("translation", [0.0, 0.0, 0.0]))
    return matrix


def _placed(cloud: GaussianCloud, matrix: Float[Tensor, "4 4"]) -> GaussianCloud:
    """In the world; as it is where that changes nothing."""
    linear, translation = _FILE_TO_WORLD @ matrix[:3, :3], _FILE_TO_WORLD @ matrix[:3, 3]
    scale = float(torch.linalg.det(linear)) ** (1 / 3)
    is_still = torch.allclose(linear, torch.eye(3), atol=1e-6) and not translation.any()
    return cloud if is_still else transform(cloud, linear / scale, translation, scale)


def _cloud(tree: dict, body: bytes, primitive: dict) -> GaussianCloud:
    attributes = primitive["attributes"]

    def column(name: str) -> Tensor:
        return _column(tree, body, attributes[_attribute(name)])

    degree = max(d for d in range(_MAX_DEGREE + 1) if _attribute(f"SH_DEGREE_{d}_COEF_0") in attributes)
    sh = torch.stack([column(_sh_name(index)) for index in range(num_coefficients(degree))], dim=1)
    return GaussianCloud(
        means=column("POSITION"),
        log_scales=column("SCALE").log().clamp_min(MIN_LOG_SCALE),
        quats=column("ROTATION")[:, [3, 0, 1, 2]],
        opacity_logits=torch.logit(column("OPACITY")[:, 0]),
        sh0=sh[:, :1],
        shN=sh[:, 1:],
    )


def _column(tree: dict, body: bytes, index: int) -> Float[Tensor, "N width"]:
    accessor = tree["accessors"][index]
    view = tree["bufferViews"][accessor["bufferView"]]
    dtype, width = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    strides = (view.get("byteStride", width * dtype.itemsize), dtype.itemsize)
    rows = np.ndarray((accessor["count"], width), dtype, body, start, strides).astype(np.float32)
    if accessor.get("normalized"):
        rows = np.maximum(rows / np.iinfo(dtype).max, -1)
    return torch.from_numpy(rows)
