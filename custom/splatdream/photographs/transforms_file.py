"""transforms.json: cameras as NeRF's Blender scenes, instant-ngp and nerfstudio write them.

Matrices are camera-to-world with OpenGL axes in a world with z up, which are ours, too.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..storage.atomic_file import atomic_path, write_text
from .photograph import Optics, Photograph, checked_pose
from .posed_images import PosedImages

NAME = "transforms.json"
SPLITS = ("transforms_train.json", "transforms_test.json")
"""What Blender's scenes have instead: the views to fit, and those to measure against."""
_SUFFIXES = ("", ".png", ".jpg", ".jpeg")
_PINHOLES = ("", "OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
_DISTORTIONS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


def read_transforms(path: Path) -> tuple[list[Photograph], list[Photograph]]:
    """The photographs of a file, and those among them that it names for testing (`test_filenames`, nerfstudio).

    Raises:
        ValueError: it cannot be read, is of a camera that is no pinhole, or lacks a matrix.
        FileNotFoundError: an image is missing.
    """
    content = _content(path)
    photographs = {str(frame.get("file_path")): _photograph(path, content, frame) for frame in content["frames"]}
    tests = set(content.get("test_filenames", ()))
    return (
        [photograph for name, photograph in photographs.items() if name not in tests],
        [photograph for name, photograph in photographs.items() if name in tests],
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"{path} is no JSON with a list of frames; see docs/photographs.md")
    return content


def _photograph(path: Path, content: Mapping[str, object], frame: Mapping[str, object]) -> Photograph:
    name = str(frame.get("file_path", ""))
    if not name or "transform_matrix" not in frame:
        raise ValueError(f"a frame of {path} has no file_path or no transform_matrix: {json.dumps(frame)[:100]}")
    # A frame's own number wins over that of the file.
    told = {**content, **frame}
    if str(told.get("camera_model", "")) not in _PINHOLES or any(told.get(key) for key in _DISTORTIONS):
        raise ValueError(
            f"{path} describes a distorted lens; undistort the images first, e.g. by `colmap image_undistorter`"
        )
    return Photograph(_found(path.parent, name), checked_pose(frame["transform_matrix"], name), *_lens(path, told))


def _lens(path: Path, told: Mapping[str, object]) -> tuple[Optics | None, float | None]:
    if "fl_x" in told:
        numbers = {key: float(told[key]) for key in ("fl_x", "fl_y", "cx", "cy", "w", "h") if key in told}
        if not all(map(math.isfinite, numbers.values())) or numbers["fl_x"] <= 0:
            raise ValueError(f"{path} has a focal length or a size that is none: {numbers}")
        width, height = (int(numbers[key]) if key in numbers else None for key in ("w", "h"))
        focal_y = numbers.get("fl_y", numbers["fl_x"])
        return Optics(numbers["fl_x"], focal_y, numbers.get("cx"), numbers.get("cy"), width, height), None
    angle = told.get("camera_angle_x")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise ValueError(f"{path} has neither fl_x nor a camera_angle_x between 0 and pi; it needs one of them")
    return None, float(angle)


def _found(folder: Path, name: str) -> Path:
    """Blender's scenes leave the suffix away."""
    for suffix in _SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    raise FileNotFoundError(f"there is no image {folder / name}, which the camera file names")


def write_views(folder: Path, images: PosedImages, held_out: PosedImages | None = None) -> Path:
    """A folder that `read_transforms` reads, and nerfstudio: images/*.png, and the cameras, which are written last."""
    sets = [images] if held_out is None else [images, held_out]
    frames = [frame for part in sets for frame in _frames(part)]
    for part in sets:
        for name, rgba in zip(part.names, part.rgba, strict=True):
            _write_image(folder / name, rgba)
    fovy = float(images.cameras.fovy_rad[0])
    focal = 0.5 * images.cameras.height / math.tan(0.5 * fovy)
    content = {
        "camera_model": "OPENCV",
        "w": images.cameras.width,
        "h": images.cameras.height,
        "frames": frames,
        "fl_x": focal,
        "fl_y": focal,
        "camera_angle_x": 2 * math.atan(0.5 * images.cameras.width / focal),
    }
    if held_out is not None:
        content |= {"train_filenames": list(images.names), "test_filenames": list(held_out.names)}
    return write_text(folder / NAME, json.dumps(content, indent=1))


def _frames(images: PosedImages) -> list[dict[str, object]]:
    return [
        {"file_path": name, "transform_matrix": c2w.double().tolist()}
        for name, c2w in zip(images.names, images.cameras.c2w, strict=True)
    ]


def _write_image(path: Path, rgba: torch.Tensor) -> None:
    from PIL import Image

    is_opaque = bool((rgba[..., 3] == 255).all())
    with atomic_path(path) as temporary:
        Image.fromarray(rgba[..., : 3 if is_opaque else 4].numpy()).save(temporary, format="PNG")
