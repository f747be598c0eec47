"""What files and earlier runs hold to begin with, in the axes of the file."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import transform
from ..gaussians.gltf import glb_holds_gaussians, read_gaussian_glb
from ..gaussians.ply import holds_gaussians, read_ply, read_points_ply
from ..runner.results import newest_files
from ..storage.free_memory import require_free_memory
from ..texture.mesh_files import read_painted_mesh
from .surface import SurfacePoints, points_on

_WORLD_TO_GLTF = [1, 2, 0]
_ARRAY_MEMORY_GROWTH = 4


def from_ply(path: Path) -> GaussianCloud | SurfacePoints:
    """Gaussians where the file holds them, else its vertices as points."""
    return read_ply(path) if holds_gaussians(path) else SurfacePoints(*read_points_ply(path))


def from_glb(path: Path, num_points: int, generator: torch.Generator) -> GaussianCloud | SurfacePoints:
    """Gaussians where the file holds them, else `from_mesh`."""
    if not glb_holds_gaussians(path):
        return from_mesh(path, num_points, generator)
    return transform(read_gaussian_glb(path), torch.eye(3)[_WORLD_TO_GLTF])


def from_mesh(path: Path, num_points: int, generator: torch.Generator) -> SurfacePoints:
    """Points drawn from a mesh, with normals, and colors where the file has any."""
    drawn = points_on(read_painted_mesh(path), num_points, generator)
    # Meshes are read into the world's axes as if they were glTF's; a frame starts from those of the file.
    return SurfacePoints(drawn.points[:, _WORLD_TO_GLTF], drawn.colors, drawn.normals[:, _WORLD_TO_GLTF])


def from_arrays(path: Path) -> SurfacePoints:
    """Points of a .npz of Point-E (`coords` with R, G and B), or of a .npy with rows x y z, perhaps red green blue.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another content, or values that are not finite; colors are cut off to [0, 1].
    """
    require_free_memory(_ARRAY_MEMORY_GROWTH * path.stat().st_size, str(path), "draw fewer points from it first")
    try:
        loaded = np.load(path, allow_pickle=False)
        rows = loaded if isinstance(loaded, np.ndarray) else _point_e_rows(loaded)
        rows = torch.from_numpy(np.asarray(rows, np.float32))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"cannot read {path} as points: a .npz needs coords (and R, G, B), a .npy rows of numbers"
        ) from error
    if rows.ndim != 2 or rows.shape[1] not in (3, 6):
        raise ValueError(f"{path} has the shape {tuple(rows.shape)}; rows x y z or x y z red green blue were expected")
    if not torch.isfinite(rows).all():
        raise ValueError(f"{path} has points or colors that are not finite; remove the NaN and infinite ones")
    return SurfacePoints(rows[:, :3], rows[:, 3:].clamp(0, 1) if rows.shape[1] == 6 else None)


def _point_e_rows(arrays: np.lib.npyio.NpzFile) -> np.ndarray:
    columns = [arrays[name][:, None] for name in "RGB"] if "R" in arrays else []
    return np.concatenate([arrays["coords"], *columns], axis=1)


def file_of_run(folder: Path) -> Path:
    """The cloud that an earlier run exported, else its mesh.

    Raises:
        FileNotFoundError: it left neither, or this is no folder of a run.
    """
    files = newest_files(folder)
    for role in ("cloud", "mesh"):
        if role in files:
            return folder / files[role]
    raise FileNotFoundError(
        f"the folder {folder} holds no exported cloud or mesh to begin with; write one with "
        f"splatdream export --config {folder}/configs/parsed.yaml resume={folder}/ckpts/last.ckpt"
    )
