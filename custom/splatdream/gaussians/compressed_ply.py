"""The compressed PLY of PlayCanvas and SuperSplat: 16 bytes a Gaussian, in chunks of 256 that share their bounds.

Positions and log scales take 11, 10 and 11 bits within the bounds of their chunk, colors 8 bits, opacities 8 bits,
rotations the three smaller quaternion components of 10 bits each, higher harmonics 8 bits in [-4, 4].
"""

import numpy as np

from .spherical_harmonics import C0

CHUNK = 256
MAX_ABS_LOG_SCALE = 20.0
SH_RANGE = 8.0
_BITS_XYZ = ((21, 11), (11, 10), (0, 11))
_BITS_RGB = ((24, 8), (16, 8), (8, 8))
_AXES, _RGB = "xyz", "rgb"
_VERTEX = ("packed_position", "packed_rotation", "packed_scale", "packed_color")


def encode_chunks(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The elements `chunk`, `vertex` and, with higher harmonics, `sh`; rows are sorted along a space-filling curve.

    Args:
        columns: float columns by their names in a plain PLY of Gaussians.
    """
    positions = np.stack([columns[name] for name in _AXES], axis=1)
    order = _morton_order(positions)
    positions = positions[order]
    log_scales = np.stack([columns[f"scale_{i}"] for i in range(3)], axis=1)[order]
    log_scales = log_scales.clip(-MAX_ABS_LOG_SCALE, MAX_ABS_LOG_SCALE)
    colors = np.stack([columns[f"f_dc_{i}"] for i in range(3)], axis=1)[order] * C0 + 0.5
    opacities = 1 / (1 + np.exp(-columns["opacity"][order].astype(np.float64)))
    quats = np.stack([columns[f"rot_{i}"] for i in range(4)], axis=1)[order]

    num_chunks = -(-len(order) // CHUNK)
    of_row = np.arange(len(order)) // CHUNK
    bounds, shares = {}, []
    for prefix, letters, values in (("", _AXES, positions), ("scale_", _AXES, log_scales), ("", _RGB, colors)):
        low, high = (reduce.reduceat(values, np.arange(num_chunks) * CHUNK) for reduce in (np.minimum, np.maximum))
        bounds |= {f"min_{prefix}{letter}": low[:, i] for i, letter in enumerate(letters)}
        bounds |= {f"max_{prefix}{letter}": high[:, i] for i, letter in enumerate(letters)}
        extent = np.where(high > low, high - low, 1)
        shares.append((values - low[of_row]) / extent[of_row])
    chunk = np.empty(num_chunks, np.dtype([(name, "f4") for name in bounds]))
    for name, column in bounds.items():
        chunk[name] = column

    vertex = np.empty(len(order), np.dtype([(name, "u4") for name in _VERTEX]))
    vertex["packed_position"] = _pack(shares[0], _BITS_XYZ)
    vertex["packed_rotation"] = _pack_rotations(quats)
    vertex["packed_scale"] = _pack(shares[1], _BITS_XYZ)
    vertex["packed_color"] = _pack(shares[2], _BITS_RGB) | _pack(opacities[:, None], ((0, 8),))
    elements = {"chunk": chunk, "vertex": vertex}
    num_rest = sum(name.startswith("f_rest_") for name in columns)
    if num_rest:
        sh = np.empty(len(order), np.dtype([(f"f_rest_{i}", "u1") for i in range(num_rest)]))
        for name in sh.dtype.names:
            sh[name] = np.trunc((columns[name][order] / SH_RANGE + 0.5) * 256).clip(0, 255)
        elements["sh"] = sh
    return elements


def decode_chunks(elements: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Float columns by their names in a plain PLY of Gaussians.

    Raises:
        ValueError: elements or properties are missing, or their numbers of rows do not fit together.
    """
    chunk, vertex, sh = elements.get("chunk"), elements["vertex"], elements.get("sh")
    bound_names = [
        f"{end}_{name}" for end in ("min", "max") for name in ("x", "y", "z", "scale_x", "scale_y", "scale_z")
    ]
    if chunk is None or any(name not in (chunk.dtype.names or ()) for name in bound_names):
        raise ValueError("it has no bounds of chunks")
    if any(vertex.dtype.fields.get(name, (None,))[0] not in ("<u4", ">u4") for name in _VERTEX):
        raise ValueError(f"its vertices need {', '.join(_VERTEX)}, all uint")
    if len(chunk) != -(-len(vertex) // CHUNK):
        raise ValueError(f"{len(vertex)} rows need {-(-len(vertex) // CHUNK)} chunks, it has {len(chunk)}")
    of_row = np.arange(len(vertex)) // CHUNK

    def within_bounds(shares: np.ndarray, names: list[str]) -> np.ndarray:
        low, high = (np.stack([chunk[f"{end}_{name}"] for name in names], axis=1) for end in ("min", "max"))
        return low[of_row] + shares * (high - low)[of_row]

    positions = within_bounds(_unpack(vertex["packed_position"], _BITS_XYZ), list(_AXES))
    log_scales = within_bounds(_unpack(vertex["packed_scale"], _BITS_XYZ), [f"scale_{axis}" for axis in _AXES])
    colors = _unpack(vertex["packed_color"], _BITS_RGB)
    if "min_r" in chunk.dtype.names:  # files before 2024 have colors in [0, 1] and no bounds
        colors = within_bounds(colors, list(_RGB))
    opacities = _unpack(vertex["packed_color"], ((0, 8),))[:, 0]
    quats = _unpack_rotations(vertex["packed_rotation"])

    columns = {name: positions[:, i] for i, name in enumerate(_AXES)}
    columns |= {f"f_dc_{i}": (colors[:, i] - 0.5) / C0 for i in range(3)}
    # The ends of the range would have infinite logits; they stand for what was rounded to them.
    opacities = opacities.clip(0.25 / 255, 1 - 0.25 / 255)
    columns["opacity"] = np.log(opacities) - np.log1p(-opacities)
    columns |= {f"scale_{i}": log_scales[:, i] for i in range(3)}
    columns |= {f"rot_{i}": quats[:, i] for i in range(4)}
    if sh is not None:
        if len(sh) != len(vertex):
            raise ValueError(f"it has {len(vertex)} rows but harmonics for {len(sh)}")
        names = [f"f_rest_{i}" for i in range(len(sh.dtype.names))]
        if len(names) not in (9, 24, 45) or any(sh.dtype.fields.get(name, (None,))[0] != "u1" for name in names):
            raise ValueError("its harmonics need 9, 24 or 45 columns f_rest_*, all uchar")
        for name in names:
            # The two ends of the range stand for themselves, the others for the middle of their step.
            share = np.where(sh[name] == 0, 0, np.where(sh[name] == 255, 1, (sh[name] + 0.5) / 256))
            columns[name] = (share - 0.5) * SH_RANGE
    return columns


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


_BITS_ROTATION = ((20, 10), (10, 10), (0, 10))


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
