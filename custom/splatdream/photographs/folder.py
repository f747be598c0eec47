"""A folder of photographs with cameras, whatever program left it: read, checked, brought to our world."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from .colmap import FOLDERS, model_folder, read_colmap
from .frame import looked_at, scale_of, upright
from .orbits import ORBITS, orbit_of
from .photograph import Optics, Photograph
from .posed_images import PosedImages, moved, posed_cameras
from .transforms_file import NAME, SPLITS, read_transforms

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FEWEST = 2
"""Views from which a shape can be told at all."""


@dataclass(frozen=True)
class PhotographSet:
    training: PosedImages
    held_out: PosedImages | None
    """Views that nothing is fitted to; None where there are none."""
    rotation: torch.Tensor
    """[3, 3] with `center` and `scale`: a point p of the folder's world is scale rotation (p - center) in ours."""
    center: torch.Tensor
    """[3]"""
    scale: float


def read_photographs(
    folder: str | Path, orbit: str = "", size: int = 0, hold_out_every: int = 8, is_centered: bool = True
) -> PhotographSet:
    """The views of a folder.

    Cameras are, in this order: those of `orbit`; transforms.json; transforms_train.json, with transforms_test.json to
    measure against; a COLMAP model in sparse/0.

    Args:
        orbit: a name of `ORBITS`; the images of the folder are its views by name.
        size: longer side in pixels that larger images are reduced to; 0 leaves them.
        hold_out_every: every so many views is kept to measure against, where the folder names none; 0 keeps none, and
            neither do fewer views than that.
        is_centered: brings what the cameras look at to the origin, as large as our configurations expect.

    Raises:
        FileNotFoundError: there is no such folder, or an image is missing.
        ValueError: cameras or images cannot be read or do not fit each other; one sentence says which.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    training, held_out, has_up = _views(folder, orbit, size)
    if held_out is None and hold_out_every > 0:
        training, held_out = _split(training, hold_out_every)
    if len(training) < FEWEST:
        raise ValueError(f"{folder} leaves {len(training)} views to fit, and at least {FEWEST} are needed")
    if orbit or not is_centered:
        return PhotographSet(training, held_out, torch.eye(3), torch.zeros(3), 1.0)
    center = looked_at(training.cameras)
    scale = scale_of(training.cameras, center)
    rotation = torch.eye(3) if has_up else upright(training.cameras, center)
    kept = None if held_out is None else moved(held_out, rotation, center, scale)
    return PhotographSet(moved(training, rotation, center, scale), kept, rotation, center, scale)


def holds_cameras(folder: Path) -> bool:
    """Whether a folder names the cameras of its images."""
    return any((folder / name).is_file() for name in (NAME, SPLITS[0])) or model_folder(folder) is not None


def files_read(folder: Path) -> list[Path]:
    """All camera files and images below a folder of photographs; none in any other folder."""
    model = model_folder(folder)
    cameras = [folder / name for name in (NAME, *SPLITS)]
    cameras += [] if model is None else sorted([*model.glob("*.bin"), *model.glob("*.txt")])
    found = [path for path in cameras if path.is_file()]
    # Without cameras only what lies in the folder itself can be views of a known model.
    below = sorted(folder.rglob("*") if found else folder.iterdir())
    return [*found, *(path for path in below if path.suffix.lower() in _SUFFIXES)]


def _views(folder: Path, orbit: str, size: int) -> tuple[PosedImages, PosedImages | None, bool]:
    """The views to fit, those that the folder names to measure against, and whether +z is up in their world."""
    if orbit:
        return _of_orbit(folder, orbit, size), None, True
    photographs, tests, has_up = _photographs(folder)
    images = _images([*photographs, *tests], size)
    count = len(photographs)
    return images[range(count)], images[range(count, len(images))] if tests else None, has_up


def _photographs(folder: Path) -> tuple[list[Photograph], list[Photograph], bool]:
    """Those to fit, those to measure against, and whether +z is up in their world."""
    if (folder / NAME).is_file():
        return *read_transforms(folder / NAME), True
    if (folder / SPLITS[0]).is_file():
        training, test = (read_transforms(folder / name) if (folder / name).is_file() else ([], []) for name in SPLITS)
        return [*training[0], *training[1]], [*test[0], *test[1]], True
    if model_folder(folder) is not None:
        return read_colmap(folder), [], False
    raise ValueError(
        f"{folder} holds no cameras: no {NAME}, no {SPLITS[0]}, no COLMAP model in {FOLDERS[0]}; views of a known "
        f"model need its name as the orbit ({', '.join(ORBITS)})"
    )


def _image_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _of_orbit(folder: Path, name: str, size: int) -> PosedImages:
    paths = _image_files(folder)
    orbit = orbit_of(name, len(paths))
    pixels = _one_size([(path, _reduced(_rgba(path), size)) for path in paths])
    height, width = pixels.shape[1:3]
    return PosedImages(pixels, orbit.cameras(width, height), tuple(path.name for path in paths))


def _images(photographs: Sequence[Photograph], size: int) -> PosedImages:
    read = [_pinhole(photograph, size) for photograph in photographs]
    pixels = _one_size([(photograph.path, image) for photograph, (image, _) in zip(photographs, read, strict=True)])
    height, width = pixels.shape[1:3]
    c2w = torch.stack([photograph.c2w for photograph in photographs]).float()
    cameras = posed_cameras(c2w, torch.tensor([fovy for _, fovy in read]), width, height)
    return PosedImages(pixels, cameras, tuple(photograph.path.name for photograph in photographs))


def _pinhole(photograph: Photograph, size: int) -> tuple[Image.Image, float]:
    """The image with square pixels and its principal point in the middle, and its vertical field of view, radians."""
    image = _rgba(photograph.path)
    optics = photograph.optics
    if optics is None:
        focal = 0.5 * image.width / np.tan(0.5 * photograph.fovx_rad)
        optics = Optics(focal, focal)
    factor = _factor(optics, image, photograph.path)
    focal_x, focal_y = factor * optics.focal_x, factor * optics.focal_y
    center_x = image.width / 2 if optics.center_x is None else factor * optics.center_x
    center_y = image.height / 2 if optics.center_y is None else factor * optics.center_y
    image = _about(image, center_x, center_y, photograph.path)
    fovy = 2 * np.arctan(0.5 * image.height / focal_y)
    if abs(focal_x / focal_y - 1) > 1e-3:
        image = image.resize((round(image.width * focal_y / focal_x), image.height), Image.Resampling.LANCZOS)
    return _reduced(image, size), float(fovy)


def _factor(optics: Optics, image: Image.Image, path: Path) -> float:
    """Pixels of the image a pixel of the camera file, which may be about a larger copy."""
    if not (optics.width and optics.height):
        return 1.0
    factor = image.width / optics.width
    if abs(factor * optics.height - image.height) > 1:
        raise ValueError(
            f"{path} has {image.width} x {image.height} pixels, and its camera is one of {optics.width} x "
            f"{optics.height}; the image was cropped or turned after it was posed"
        )
    return factor


def _about(image: Image.Image, center_x: float, center_y: float, path: Path) -> Image.Image:
    """The largest part of an image whose middle is that point, to half a pixel."""
    half_width = min(center_x, image.width - center_x)
    half_height = min(center_y, image.height - center_y)
    if min(half_width, half_height) < 1:
        raise ValueError(f"the principal point of {path} lies outside of the image: {center_x:g}, {center_y:g}")
    left, top = round(center_x - half_width), round(center_y - half_height)
    right, bottom = round(center_x + half_width), round(center_y + half_height)
    return image.crop((left, top, right, bottom))


def _rgba(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is no image that can be read, or is cut off") from error


def _reduced(image: Image.Image, size: int) -> Image.Image:
    longer = max(image.size)
    if not 0 < size < longer:
        return image
    # Pillow weighs colors by their coverage here.
    return image.resize([max(1, round(side * size / longer)) for side in image.size], Image.Resampling.LANCZOS)


def _one_size(images: Sequence[tuple[Path, Image.Image]]) -> torch.Tensor:
    """[B, H, W, 4]"""
    if not images:
        raise ValueError("there are no images among the views; give at least two")
    first_path, first = images[0]
    for path, image in images:
        if image.size != first.size:
            raise ValueError(
                f"images must have one size: {first_path} has {first.width} x {first.height} pixels, {path} "
                f"{image.width} x {image.height}; bring them to one, or leave the others out"
            )
    return torch.from_numpy(np.stack([np.asarray(image) for _, image in images]))


def _split(images: PosedImages, every: int) -> tuple[PosedImages, PosedImages | None]:
    """Every so many views is kept to measure against (Mip-NeRF 360, arXiv:2111.12077)."""
    if len(images) < every:
        return images, None
    kept = range(0, len(images), every)
    return images[[row for row in range(len(images)) if row not in kept]], images[kept]
