"""COLMAP's sparse models, text and binary, as its documentation describes the files (colmap.github.io/format.html).

COLMAP's own bindings would bring the whole program along for a hundred lines of reading. Poses are world-to-camera with
OpenCV axes; the world has no up of its own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.conventions import opencv_viewmats_to_opengl
from .photograph import Optics, Photograph, checked_pose

FOLDERS = ("sparse/0", "sparse", "colmap/sparse/0", "")
"""Where programs leave a model, below the folder of a scene."""
IMAGE_FOLDERS = ("images", "")
_MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV")
"""By their number in binary files."""
_NUM_PARAMETERS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 4, "RADIAL": 5, "OPENCV": 8}


@dataclass(frozen=True)
class _View:
    name: str
    camera: int
    quat: tuple[float, ...]
    translation: tuple[float, ...]


def model_folder(folder: Path) -> Path | None:
    """Where the model of a scene lies; None where there is none."""
    return next((folder / place for place in FOLDERS if _has_model(folder / place)), None)


def _has_model(folder: Path) -> bool:
    return any(all((folder / f"{part}{kind}").is_file() for part in ("cameras", "images")) for kind in (".bin", ".txt"))


def read_colmap(folder: Path) -> list[Photograph]:
    """The photographs of a scene, by the names of their files.

    Raises:
        ValueError: there is no model, it cannot be read, or its images are distorted.
        FileNotFoundError: an image is missing.
    """
    model = model_folder(folder)
    if model is None:
        raise ValueError(f"{folder} holds no COLMAP model: no cameras.bin and images.bin, nor .txt, in {FOLDERS}")
    read_cameras, read_images = (
        (_binary_cameras, _binary_images) if (model / "images.bin").is_file() else (_text_cameras, _text_images)
    )
    try:
        cameras, views = read_cameras(model), sorted(read_images(model), key=lambda view: view.name)
        return [Photograph(_found(folder, view.name), _pose(view), cameras[view.camera]) for view in views]
    except (struct.error, KeyError, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"the COLMAP model in {model} is cut off or damaged; export it again") from error


def _found(folder: Path, name: str) -> Path:
    for place in IMAGE_FOLDERS:
        if (folder / place / name).is_file():
            return folder / place / name
    raise FileNotFoundError(f"there is no image {folder / IMAGE_FOLDERS[0] / name}, which the COLMAP model names")


def _pose(view: _View) -> Float[Tensor, "4 4"]:
    w, x, y, z = torch.nn.functional.normalize(torch.tensor(view.quat, dtype=torch.float64), dim=0).tolist()
    rotation = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        dtype=torch.float64,
    )
    viewmat = torch.eye(4, dtype=torch.float64)
    viewmat[:3, :3], viewmat[:3, 3] = rotation, torch.tensor(view.translation, dtype=torch.float64)
    return checked_pose(opencv_viewmats_to_opengl(viewmat[None])[0].tolist(), view.name)


def _optics(model: str, width: int, height: int, numbers: list[float]) -> Optics:
    if model in ("PINHOLE", "OPENCV"):
        (focal_x, focal_y, center_x, center_y), distortion = numbers[:4], numbers[4:]
    else:
        (focal_x, center_x, center_y), distortion = numbers[:3], numbers[3:]
        focal_y = focal_x
    if any(distortion):
        raise ValueError(f"a camera of the COLMAP model is {model} with distortion; run `colmap image_undistorter`")
    return Optics(focal_x, focal_y, center_x, center_y, width, height)


def _known(model: str) -> str:
    if model not in _MODELS:
        raise ValueError(f"the COLMAP camera model {model} is not read; run `colmap image_undistorter` for PINHOLE")
    return model


def _lines(path: Path) -> Iterator[list[str]]:
    """The words of each line that is no comment."""
    return (line.split() for line in path.read_text().splitlines() if not line.startswith("#"))


def _text_cameras(model: Path) -> dict[int, Optics]:
    return {
        int(words[0]): _optics(_known(words[1]), int(words[2]), int(words[3]), [float(word) for word in words[4:]])
        for words in _lines(model / "cameras.txt")
        if words
    }


def _text_images(model: Path) -> Iterator[_View]:
    # Every second line lists the points that an image sees, and may be empty.
    for words in islice(_lines(model / "images.txt"), 0, None, 2):
        if words:
            numbers = [float(word) for word in words[1:8]]
            yield _View(" ".join(words[9:]), int(words[8]), tuple(numbers[:4]), tuple(numbers[4:]))


def _binary_cameras(model: Path) -> dict[int, Optics]:
    with (model / "cameras.bin").open("rb") as file:
        return dict(_binary_camera(file) for _ in range(_unpacked(file, "<Q")[0]))


def _binary_camera(file: BinaryIO) -> tuple[int, Optics]:
    number, kind, width, height = _unpacked(file, "<iiQQ")
    model = _known(_MODELS[kind] if 0 <= kind < len(_MODELS) else f"number {kind}")
    return number, _optics(model, width, height, list(_unpacked(file, f"<{_NUM_PARAMETERS[model]}d")))


def _binary_images(model: Path) -> Iterator[_View]:
    with (model / "images.bin").open("rb") as file:
        for _ in range(_unpacked(file, "<Q")[0]):
            _, *numbers, camera = _unpacked(file, "<i7di")
            name = b"".join(iter(lambda: _unpacked(file, "<c")[0], b"\0")).decode()
            # x, y and the number of the point, of each point that the image sees
            _unpacked(file, f"<{24 * _unpacked(file, '<Q')[0]}x")
            yield _View(name, camera, tuple(numbers[:4]), tuple(numbers[4:]))


def _unpacked(file: BinaryIO, layout: str) -> tuple:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
