"""The compressed PLY of PlayCanvas and SuperSplat: 16 bytes a Gaussian, in chunks of 256 that share their bounds.

Positions and log scales take 11, 10 and 11 bits within the bounds of their chunk, colors 8 bits, opacities 8 bits,
rotations the three smaller quaternion components of 10 bits each, higher harmonics 8 bits in [-4, 4].
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .spherical_harmonics import C0

CHUNK = 256
MAX_ABS_LOG_SCALE = 20.0
SH_RANGE = 8.0
_BITS_XYZ = ((21, 11), (11, 10), (0, 11))
_BITS_RGB = ((24, 8), (16, 8), (8, 8))
_BITS_OPACITY = ((0, 8),)
_BITS_ROTATION = ((20, 10), (10, 10), (0, 10))
_XYZ, _RGB, _SCALE = "xyz", "rgb", ("scale_x", "scale_y", "scale_z")
"""What has bounds in a chunk."""
_F_DC, _LOG_SCALES, _QUAT = ([f"{name}_{i}" for i in range(n)] for name, n in (("f_dc", 3), ("scale", 3), ("rot", 4)))
"""Columns of a plain PLY."""
_VERTEX = ("packed_position", "packed_rotation", "packed_scale", "packed_color")


def encode_chunks(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The elements `chunk`, `vertex` and, with higher harmonics, `sh`; rows are sorted along a space-filling curve.

    Args:
        columns: float columns by their names in a plain PLY of Gaussians.
    """
    order = _morton_order(_matrix(columns, _XYZ))
    columns = {name: column[order] for name, column in columns.items()}
    opacities = 1 / (1 + np.exp(-columns["opacity"].astype(np.float64)))
    position_bounds, positions = _relative_to_chunks(_matrix(columns, _XYZ), _XYZ)
    log_scales = _matrix(columns, _LOG_SCALES).clip(-MAX_ABS_LOG_SCALE, MAX_ABS_LOG_SCALE)
    scale_bounds, log_scales = _relative_to_chunks(log_scales, _SCALE)
    color_bounds, colors = _relative_to_chunks(_matrix(columns, _F_DC) * C0 + 0.5, _RGB)
    packed = (
        _pack(positions, _BITS_XYZ),
        _pack_rotations(_matrix(columns, _QUAT)),
        _pack(log_scales, _BITS_XYZ),
        _pack(colors, _BITS_RGB) | _pack(opacities[:, None], _BITS_OPACITY),
    )
    elements = {
        "chunk": _rows(position_bounds | scale_bounds | color_bounds, "f4"),
        "vertex": _rows(dict(zip(_VERTEX, packed, strict=True)), "u4"),
    }
    num_rest = sum(name.startswith("f_rest_") for name in columns)
    if num_rest:
        names = [f"f_rest_{i}" for i in range(num_rest)]
        stored = {name: np.trunc((columns[name] / SH_RANGE + 0.5) * 256).clip(0, 255) for name in names}
        elements["sh"] = _rows(stored, "u1")
    return elements


def decode_chunks(elements: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Float columns by their names in a plain PLY of Gaussians.

    Raises:
        ValueError: elements or properties are missing, or their numbers of rows do not fit together.
    """
    chunk, vertex = _checked(elements)
    positions = _within_bounds(chunk, _unpack(vertex["packed_position"], _BITS_XYZ), _XYZ)
    log_scales = _within_bounds(chunk, _unpack(vertex["packed_scale"], _BITS_XYZ), _SCALE)
    colors = _unpack(vertex["packed_color"], _BITS_RGB)
    if "min_r" in chunk.dtype.names:  # files before 2024 have colors in [0, 1] and no bounds
        colors = _within_bounds(chunk, colors, _RGB)
    # The ends of the range would have infinite logits; they stand for what was rounded to them.
    opacities = _unpack(vertex["packed_color"], _BITS_OPACITY)[:, 0].clip(0.25 / 255, 1 - 0.25 / 255)
    quats = _unpack_rotations(vertex["packed_rotation"])

    columns = dict(zip(_XYZ, positions.T, strict=True)) | dict(zip(_F_DC, ((colors - 0.5) / C0).T, strict=True))
    columns["opacity"] = np.log(opacities) - np.log1p(-opacities)
    columns |= dict(zip(_LOG_SCALES, log_scales.T, strict=True)) | dict(zip(_QUAT, quats.T, strict=True))
    if "sh" in elements:
        columns |= _decoded_harmonics(elements["sh"], len(vertex))
    return columns


def _checked(elements: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The chunks and the vertices, which have what they need and fit together."""
    chunk, vertex = elements.get("chunk"), elements["vertex"]
    bound_names = [f"{end}_{name}" for end in ("min", "max") for name in (*_XYZ, *_SCALE)]
    if chunk is None or any(name not in (chunk.dtype.names or ()) for name in bound_names):
        raise ValueError("it has no bounds of chunks")
    if any(vertex.dtype.fields.get(name, (None,))[0] not in ("<u4", ">u4") for name in _VERTEX):
        raise ValueError(f"its vertices need {', '.join(_VERTEX)}, all uint")
    if len(chunk) != -(-len(vertex) // CHUNK):
        raise ValueError(f"{len(vertex)} rows need {-(-len(vertex) // CHUNK)} chunks, it has {len(chunk)}")
    return chunk, vertex


def _decoded_harmonics(sh: np.ndarray, num_rows: int) -> dict[str, np.ndarray]:
    """The columns `f_rest_*`."""
    if len(sh) != num_rows:
        raise ValueError(f"it has {num_rows} rows but harmonics for {len(sh)}")
    names = [f"f_rest_{i}" for i in range(len(sh.dtype.names))]
    if len(names) not in (9, 24, 45) or any(sh.dtype.fields.get(name, (None,))[0] != "u1" for name in names):
        raise ValueError("its harmonics need 9, 24 or 45 columns f_rest_*, all uchar")
    # The two ends of the range stand for themselves, the others for the middle of their step.
    share_of_byte = np.array([0, *((np.arange(1, 255) + 0.5) / 256), 1])
    return {name: (share_of_byte[sh[name]] - 0.5) * SH_RANGE for name in names}


def _relative_to_chunks(values: np.ndarray, names: Sequence[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The bounds of each chunk, by name, and where between them every value lies, in [0, 1]."""
    starts = np.arange(0, len(values), CHUNK)
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    bounds = {f"min_{name}": column for name, column in zip(names, low.T, strict=True)}
    bounds |= {f"max_{name}": column for name, column in zip(names, high.T, strict=True)}
    extent = np.where(high > low, high - low, 1)
    of_row = np.arange(len(values)) // CHUNK
    return bounds, (values - low[of_row]) / extent[of_row]


def _within_bounds(chunk: np.ndarray, shares: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The inverse of `_relative_to_chunks`."""
    low, high = (_matrix(chunk, [f"{end}_{name}" for name in names]) for end in ("min", "max"))
    of_row = np.arange(len(shares)) // CHUNK
    return low[of_row] + shares * (high - low)[of_row]


def _matrix(columns: Mapping[str, np.ndarray] | np.ndarray, names: Sequence[str]) -> np.ndarray:
    return np.stack([columns[name] for name in names], axis=1)


def _rows(columns: dict[str, np.ndarray], code: str) -> np.ndarray:
    """A structured array of columns that all have one type."""
    rows = np.empty(len(next(iter(columns.values()))), np.dtype([(name, code) for name in columns]))
    for name, column in columns.items():
        rows[name] = column
    return rows


def _pack(shares: np.ndarray, fields: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Columns in [0, 1] as unsigned integers of so many bits, each shifted to its place: fields of (shift, bits)."""
    packed = np.zeros(len(shares), np.uint32)
    for column, (shift, bits) in zip(shares.T, fields, strict=True):
        largest = (1 << bits) - 1
        packed |= np.floor(column * largest + 0.5).clip(0, largest).astype(np.uint32) << np.uint32(shift)
    return packed


def _unpack(packed: np.ndarray, fields: tuple[tuple[int, int], ...]) -> np.ndarray:
    """The inverse of `_pack`: columns in [0, 1]."""
    columns = [
        ((packed >> np.uint32(shift)) & np.uint32((1 << bits) - 1)) / ((1 << bits) - 1) for shift, bits in fields
    ]
    return np.stack(columns, axis=1)


def _pack_rotations(quats: np.ndarray) -> np.ndarray:
    """Which component is the largest (2 bits), and the others, in [-1/sqrt(2), 1/sqrt(2)], in their order."""
    quats = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    largest = np.abs(quats).argmax(axis=1)
    rows = np.arange(len(quats))
    quats = quats * np.where(quats[rows, largest] < 0, -1, 1)[:, None]
    others = quats[np.arange(4) != largest[:, None]].reshape(-1, 3)
    return _pack(others / np.sqrt(2) + 0.5, _BITS_ROTATION) | (largest.astype(np.uint32) << np.uint32(30))


def _unpack_rotations(packed: np.ndarray) -> np.ndarray:
    """Unit quaternions wxyz."""
    others = (_unpack(packed, _BITS_ROTATION) - 0.5) * np.sqrt(2)
    largest = (packed >> np.uint32(30)).astype(np.int64)
    quats = np.empty((len(packed), 4))
    is_other = np.arange(4) != largest[:, None]
    quats[is_other] = others.reshape(-1)
    quats[~is_other] = np.sqrt(np.maximum(0, 1 - (others**2).sum(axis=1)))
    return quats


def _morton_order(positions: np.ndarray) -> np.ndarray:
    """Rows in the order of a Z curve of 1024 cells a side: neighbors share a chunk, and its bounds are tight."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    cells = ((positions - low) / np.where(high > low, high - low, 1) * 1023).astype(np.uint32)
    code = np.zeros(len(positions), np.uint32)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> np.uint32(bit)) & np.uint32(1)) << np.uint32(3 * bit + axis)
    return np.argsort(code, kind="stable")
