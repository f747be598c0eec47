"""Gaussians in PLY files as 3DGS writes them and other viewers read them; points in PLY files.

Columns: x y z nx ny nz f_dc_* f_rest_* opacity scale_* rot_*, all raw (logits, logarithms, wxyz). f_rest holds all the
coefficients of red, then those of green, then those of blue.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..storage.atomic_file import write_bytes
from .cloud import GaussianCloud
from .compressed_ply import decode_chunks, encode_chunks
from .ply_format import ply_bytes, read_ply_elements, read_ply_header

REQUIRED = (*"xyz", *(f"f_dc_{i}" for i in range(3)), "opacity")
REQUIRED += (*(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4)))
F_REST_COUNTS = (0, 9, 24, 45)
# Editors write an infinite logit for opacity 1 or 0 and minus infinity for the logarithm of scale 0.
MAX_LOGIT = 20.0
MIN_LOG_SCALE = -20.0


def read_ply(path: str | os.PathLike) -> GaussianCloud:
    """A cloud from a PLY of Gaussians, plain or compressed (told apart by what the header names).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a PLY of Gaussians, truncated, too large for the memory, or with values that are not finite.
    """
    path = Path(path)
    elements = read_ply_elements(path)
    vertex = elements.get("vertex", np.empty(0))
    if "packed_position" not in (vertex.dtype.names or ()):
        return checked_cloud(path, _cloud_from_columns(_plain_columns(path, vertex)))
    try:
        columns = decode_chunks(elements)
    except ValueError as error:
        raise ValueError(f"{path} is not a compressed PLY of Gaussians: {error}") from error
    return checked_cloud(path, _cloud_from_columns(columns))


def _plain_columns(path: Path, vertex: np.ndarray) -> dict[str, np.ndarray]:
    """What Gaussians have, of the columns of a plain PLY."""
    names = vertex.dtype.names or ()
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ValueError(f"{path} is not a PLY of Gaussians: it has no {', '.join(missing)}")
    rest = [f"f_rest_{i}" for i in range(sum(name.startswith("f_rest_") for name in names))]
    if len(rest) not in F_REST_COUNTS or not set(rest) <= set(names):
        raise ValueError(f"{path} has {len(rest)} f_rest columns; 0, 9, 24 or 45, numbered from 0, were expected")
    return {name: vertex[name] for name in (*REQUIRED, *rest)}


def write_ply(path: str | os.PathLike, cloud: GaussianCloud) -> Path:
    """`plain_ply` in a file."""
    return write_bytes(path, plain_ply(cloud))


def plain_ply(cloud: GaussianCloud) -> bytes:
    """A plain PLY, every number as it is stored; normals are zero, as 3DGS writes them."""
    columns = _columns_from_cloud(cloud)
    names = ["x", "y", "z", "nx", "ny", "nz", *(name for name in columns if name not in ("x", "y", "z"))]
    rows = np.zeros(len(cloud), np.dtype([(name, "f4") for name in names]))
    for name, column in columns.items():
        rows[name] = column
    return ply_bytes({"vertex": rows})


def write_compressed_ply(path: str | os.PathLike, cloud: GaussianCloud) -> Path:
    """A PLY about a quarter as large (PlayCanvas, SuperSplat), with rounded numbers and rows in another order.

    Raises:
        ValueError: the cloud is empty; chunks have no bounds then.
    """
    if len(cloud) == 0:
        raise ValueError(f"{path} is not written: an empty cloud has no compressed PLY; write a plain one")
    return write_bytes(path, ply_bytes(encode_chunks(_columns_from_cloud(cloud))))


def holds_gaussians(path: str | os.PathLike) -> bool:
    """True if the header of this PLY names what Gaussians have, false if it may hold mere points."""
    header = read_ply_header(path)
    names = header["vertex"].types if "vertex" in header else {}
    return "f_dc_0" in names or "packed_position" in names


def read_points_ply(path: str | os.PathLike) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"] | None]:
    """Positions, and colors in [0, 1] where the file has red, green and blue (0 to 255 if whole numbers, else 0 to 1).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a PLY, truncated, without positions, or with positions that are not finite.
    """
    vertex = read_ply_elements(path).get("vertex", np.empty(0))
    names = vertex.dtype.names or ()
    if any(name not in names for name in "xyz"):
        raise ValueError(f"{path} has no points: its vertices need x, y and z")
    points = _stacked(vertex[name] for name in "xyz")
    if not torch.isfinite(points).all():
        raise ValueError(f"{path} has points that are not finite; remove the NaN and infinite ones")
    if any(name not in names for name in ("red", "green", "blue")):
        return points, None
    colors = _stacked(vertex[name] for name in ("red", "green", "blue"))
    if np.issubdtype(vertex.dtype["red"], np.integer):
        colors = colors / 255
    return points, colors.nan_to_num().clamp(0, 1)


def _columns_from_cloud(cloud: GaussianCloud) -> dict[str, np.ndarray]:
    """Float columns by their PLY names, in the order of the file."""
    raw = {name: tensor.detach().float().cpu().numpy() for name, tensor in cloud.tensors().items()}
    f_rest = raw["shN"].transpose(0, 2, 1).reshape(len(cloud), 3 * raw["shN"].shape[1])
    columns = {name: raw["means"][:, i] for i, name in enumerate("xyz")}
    columns |= {f"f_dc_{i}": raw["sh0"][:, 0, i] for i in range(3)}
    columns |= {f"f_rest_{i}": f_rest[:, i] for i in range(f_rest.shape[1])}
    columns |= {"opacity": raw["opacity_logits"]}
    columns |= {f"scale_{i}": raw["log_scales"][:, i] for i in range(3)}
    columns |= {f"rot_{i}": raw["quats"][:, i] for i in range(4)}
    return columns


def _cloud_from_columns(columns: dict[str, np.ndarray]) -> GaussianCloud:
    num_rest = sum(name.startswith("f_rest_") for name in columns)
    rows = len(columns["x"])
    f_rest = _stacked(columns[f"f_rest_{i}"] for i in range(num_rest)) if num_rest else torch.zeros(rows, 0)
    return GaussianCloud(
        means=_stacked(columns[name] for name in "xyz"),
        log_scales=_stacked(columns[f"scale_{i}"] for i in range(3)),
        quats=_stacked(columns[f"rot_{i}"] for i in range(4)),
        opacity_logits=_stacked([columns["opacity"]])[:, 0],
        sh0=_stacked(columns[f"f_dc_{i}"] for i in range(3))[:, None],
        shN=f_rest.reshape(rows, 3, num_rest // 3).transpose(1, 2).contiguous(),
    )


def _stacked(columns: Iterable[np.ndarray]) -> Float[Tensor, "N columns"]:
    return torch.from_numpy(np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1))


def checked_cloud(path: Path, cloud: GaussianCloud) -> GaussianCloud:
    """What was read from a file, with infinite logits and logarithms cut off.

    Raises:
        ValueError: it holds no Gaussians, or values that are not finite.
    """
    if len(cloud) == 0:
        raise ValueError(f"{path} holds no Gaussians")
    cloud.opacity_logits.clamp_(-MAX_LOGIT, MAX_LOGIT)
    cloud.log_scales.clamp_min_(MIN_LOG_SCALE)
    broken = torch.zeros(len(cloud), dtype=torch.bool)
    for tensor in cloud.tensors().values():
        broken |= ~torch.isfinite(tensor).reshape(len(cloud), -1).all(dim=1)
    broken |= cloud.quats.norm(dim=-1) == 0
    if broken.any():
        raise ValueError(
            f"{path} has {int(broken.sum())} of {len(cloud)} Gaussians with values that are not finite or a rotation "
            "of length 0; remove them in a splat editor"
        )
    return cloud
