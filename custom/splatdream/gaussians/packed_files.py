"""SPZ (Niantic) and SOG (PlayCanvas): files many times smaller than a PLY, with rounded numbers, through gaussforge."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..storage.atomic_file import write_bytes
from ..storage.free_memory import require_free_memory
from .cloud import GaussianCloud
from .ply import checked_cloud
from .spherical_harmonics import num_coefficients

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
    cloud = cloud.detach().to("cpu")
    columns = {
        "positions": cloud.means,
        "scales": cloud.log_scales,
        # gaussforge 0.6 takes the length of a quaternion for part of its direction when it writes SOG.
        "rotations": torch.nn.functional.normalize(cloud.quats, dim=-1),
        "alphas": cloud.opacity_logits,
        "colors": cloud.sh0,
        "sh": cloud.shN,
    }
    rows = {name: np.ascontiguousarray(column, dtype="<f4").tobytes() for name, column in columns.items()}
    if cloud.sh_degree == 0:
        del rows["sh"]  # gaussforge takes no empty column
    facts = {"numPoints": len(cloud), "extras": {}, "meta": {"shDegree": cloud.sh_degree, "sourceFormat": "ply"}}
    return write_bytes(path, _answer(path, packing_library().write(rows | facts, _kind(path), False, _SPZ_VERSION)))


def read_packed(path: str | os.PathLike) -> GaussianCloud:
    """The cloud of an SPZ or an SOG.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is broken, holds values that are not finite, or is too large for the memory.
        ImportError: gaussforge is missing.
    """
    path = Path(path)
    require_free_memory(_MEMORY_GROWTH * path.stat().st_size, str(path), "prune it in a splat editor first")
    found = _answer(path, packing_library().read(path.read_bytes(), _kind(path)))
    count, degree = found["numPoints"], found["meta"]["shDegree"]

    def column(name: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(np.frombuffer(found[name], "<f4").reshape(count, *shape).copy())

    cloud = GaussianCloud(
        means=column("positions", 3),
        log_scales=column("scales", 3),
        quats=column("rotations", 4),
        opacity_logits=column("alphas"),
        sh0=column("colors", 1, 3),
        shN=column("sh", num_coefficients(degree) - 1, 3) if degree else torch.zeros(count, 0, 3),
    )
    return checked_cloud(path, cloud)


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
