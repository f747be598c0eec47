"""The PLY container: a text header that names elements and properties, then their rows.

Whatever the header claims, no more memory is used than the file is long, and a file that is too long for the memory is
refused before it is read.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..storage.free_memory import require_free_memory

MAX_HEADER_BYTES = 2**16
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
# A header that claims too much is told by the length of the file, not by the memory.
_MAX_GROWTH = 40
_TYPE_NAMES = {"f4": "float", "u4": "uint", "u1": "uchar"}
_BYTE_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "ascii"}


@dataclass
class PlyElement:
    """One element of a header: its name, its rows, and the numpy type code of each property by name."""

    name: str
    count: int
    types: dict[str, str] = field(default_factory=dict)
    has_lists: bool = False


def read_ply_elements(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The elements of a PLY as structured arrays, up to the first element with list properties (faces).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a PLY, a header that cannot be read, or less data than the header claims.
    """
    path = Path(path)
    with path.open("rb") as handle:
        byte_order, elements = _read_header(path, handle)
        _check_memory(path, byte_order, elements)
        arrays = {}
        for element in elements:
            if element.has_lists:
                break
            arrays[element.name] = _read_rows(path, handle, byte_order, element)
    return arrays


def read_ply_header(path: str | os.PathLike) -> dict[str, PlyElement]:
    """The elements by name, from the header alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a PLY, a header that cannot be read, or more rows than the file can hold.
    """
    path = Path(path)
    with path.open("rb") as handle:
        byte_order, elements = _read_header(path, handle)
        remaining = path.stat().st_size - handle.tell()
    for element in elements:
        _check_length(path, element, byte_order, remaining)
    return {element.name: element for element in elements}


def ply_bytes(elements: Mapping[str, np.ndarray]) -> bytes:
    """A binary little-endian PLY of structured arrays with float, uint and uchar fields."""
    header = ["ply", "format binary_little_endian 1.0"]
    body = []
    for name, rows in elements.items():
        header.append(f"element {name} {len(rows)}")
        for property_name, (dtype, _) in rows.dtype.fields.items():
            header.append(f"property {_TYPE_NAMES[dtype.str[1:]]} {property_name}")
        body.append(rows.astype(rows.dtype.newbyteorder("<"), copy=False).tobytes())
    header.append("end_header\n")
    return "\n".join(header).encode("ascii") + b"".join(body)


def _read_header(path: Path, handle: BinaryIO) -> tuple[str, list[PlyElement]]:
    byte_order, elements = None, []
    for words in _header_lines(path, handle):
        match words:
            case ["format", kind, "1.0"] if kind in _BYTE_ORDERS:
                byte_order = _BYTE_ORDERS[kind]
            case ["element", name, count] if count.isdigit() and len(count) < 19:
                elements.append(PlyElement(name, int(count)))
            case ["property", "list", _, _, _] if elements:
                elements[-1].has_lists = True
            case ["property", kind, name] if elements and kind in _TYPES and name not in elements[-1].types:
                elements[-1].types[name] = _TYPES[kind]
            case _:
                raise ValueError(f"{path} has a PLY header line that makes no sense: {' '.join(words)[:80]!r}")
    if byte_order is None:
        raise ValueError(f"{path} has no 'format' line in its PLY header")
    return byte_order, elements


def _header_lines(path: Path, handle: BinaryIO) -> Iterator[list[str]]:
    """The words of each line between `ply` and `end_header`, without comments."""
    if handle.readline(16).strip() != b"ply":
        raise ValueError(f"{path} is not a PLY file: its first line is not 'ply'")
    while True:
        line = handle.readline(MAX_HEADER_BYTES)
        if not line or handle.tell() > MAX_HEADER_BYTES:
            raise ValueError(f"{path} has no 'end_header' line in its first {MAX_HEADER_BYTES} bytes")
        words = line.decode("ascii", errors="replace").split()
        if words == ["end_header"]:
            return
        if words and words[0] not in ("comment", "obj_info"):
            yield words


def _read_rows(path: Path, handle: BinaryIO, byte_order: str, element: PlyElement) -> np.ndarray:
    is_text = byte_order == "ascii"
    dtype = np.dtype([(name, code if is_text else byte_order + code) for name, code in element.types.items()])
    _check_length(path, element, byte_order, path.stat().st_size - handle.tell())
    if element.count == 0:
        return np.empty(0, dtype)
    if not is_text:
        return np.fromfile(handle, dtype, element.count)
    try:
        values = np.loadtxt(handle, max_rows=element.count, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} has rows of '{element.name}' that are not numbers: {error}") from error
    if values.shape != (element.count, len(element.types)):
        raise ValueError(
            f"{path} claims {element.count} rows of '{element.name}' with {len(element.types)} values, "
            f"but has {values.shape[0]} rows with {values.shape[1]}"
        )
    rows = np.empty(element.count, dtype)
    for index, name in enumerate(element.types):
        rows[name] = values[:, index]
    return rows


def _check_length(path: Path, element: PlyElement, byte_order: str, remaining: int) -> None:
    """Refuses more rows than can be in the bytes that remain."""
    is_text = byte_order == "ascii"
    # In text a value takes at least a digit and a separator, of which the last may be missing. A list takes a byte.
    row = 2 * len(element.types) if is_text else sum(np.dtype(code).itemsize for code in element.types.values())
    needed = element.count * (row + element.has_lists * (1 + is_text)) - is_text
    if needed > remaining or (element.count and not element.types and not element.has_lists):
        raise ValueError(
            f"{path} claims {element.count} rows of '{element.name}', at least {max(needed, 0)} bytes, "
            f"but only {remaining} bytes follow: the file is truncated or broken"
        )


def _check_memory(path: Path, byte_order: str, elements: list[PlyElement]) -> None:
    """Refuses rows that would not fit into memory together with what is made of them."""
    is_text = byte_order == "ascii"  # read in double precision first
    needed = 0
    for element in elements:
        row = sum(_peak_bytes(name, code) + 8 * is_text for name, code in element.types.items())
        needed += element.count * row
    needed = min(needed, _MAX_GROWTH * path.stat().st_size)
    num_rows = max((element.count for element in elements), default=0)
    require_free_memory(needed, f"{path} with {num_rows:,} rows", "prune it in a splat editor first")


def _peak_bytes(name: str, code: str) -> int:
    """For a value of a row, as measured: itself, the tensors that are made of it, and what is between them."""
    if name.startswith("packed_"):
        return 80  # holds three or four values
    return 24 if code == "u1" else 16
