"""SPZ (Niantic) and SOG (PlayCanvas): files many times smaller than a PLY, with rounded numbers, through gaussforge."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..storage.atomic_file import write_bytes
from ..storage.free_memory import require_free_memory
from .cloud import GaussianCloud
from .ply import plain_ply, read_ply

PACKED_SUFFIXES = (".spz", ".sog")
# Peak memory by file size; both unpack to about ten times their size, which is then held twice.
_MEMORY_GROWTH = 40
_SPZ_VERSION = 3


def write_packed(path: str | os.PathLike, cloud: GaussianCloud) -> Path:
    """An SPZ or an SOG, by the path's suffix; SOG also changes the order of the rows.

    Raises:
        ValueError: the cloud is empty, or the suffix is another one.
        ImportError: gaussforge is missing.
    """
    path = Path(path)
    if len(cloud) == 0:
        raise ValueError(f"{path} is not written: an empty cloud has no {path.suffix} file; write a plain PLY")
    # gaussforge 0.6 takes the length of a quaternion for part of its direction when it writes SOG.
    of_length_1 = replace(cloud, quats=torch.nn.functional.normalize(cloud.quats, dim=-1))
    converted = packing_library().convert(plain_ply(of_length_1), "ply", _kind(path), spz_version=_SPZ_VERSION)
    return write_bytes(path, _answer(path, converted))


def read_packed(path: str | os.PathLike) -> GaussianCloud:
    """The cloud of an SPZ or an SOG.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is broken, holds values that are not finite, or is too large for the memory.
        ImportError: gaussforge is missing.
    """
    path = Path(path)
    require_free_memory(_MEMORY_GROWTH * path.stat().st_size, str(path), "prune it in a splat editor first")
    converted = _answer(path, packing_library().convert(path.read_bytes(), _kind(path), "ply"))
    # gaussforge 0.6 cannot hand over a cloud without higher harmonics in any other way.
    with tempfile.TemporaryDirectory() as folder:
        plain = write_bytes(Path(folder) / "cloud.ply", converted)
        try:
            return read_ply(plain)
        except ValueError as error:
            raise ValueError(str(error).replace(str(plain), str(path))) from error


def _kind(path: Path) -> str:
    """What gaussforge calls it."""
    suffix = path.suffix.lower()
    if suffix not in PACKED_SUFFIXES:
        raise ValueError(f"{path} ends in '{path.suffix}'; {' or '.join(PACKED_SUFFIXES)} was expected")
    return suffix[1:]


def packing_library() -> Any:
    """gaussforge's one class.

    Raises:
        ImportError: it is missing.
    """
    try:
        import gaussforge
    except ImportError as error:
        raise ImportError(f"SPZ and SOG need gaussforge: pip install gaussforge ({error})") from error
    return gaussforge.GaussForge()


def _answer(path: Path, answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise ValueError(f"{path} cannot be read or written as {path.suffix}: {answer['error']}")
    return answer["data"]
