"""Pictures of one object, as files: the object and how much of each pixel it covers.

H = W, pixels.
"""

import functools
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from .atomic_file import atomic_path

LARGEST_SIDE = 8192
"""Pixels; a larger picture is a mistake, or an attack by a small file."""
_LEAST_COVERED = 1e-3
"""Share of the pixels that an object covers at the least."""


def read_picture(path: str | Path, fill: float = 0.0) -> Float[Tensor, "H W 4"]:
    """Color and alpha in [0, 1], in a square; what is transparent has no color of its own.

    Without an alpha channel the background is removed by rembg, where that is installed.

    Args:
        fill: share of the side that the object's longer side takes, after it was moved to the middle; 0 leaves it
            where and as large as it is.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, too large, has no alpha channel, or shows no object.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"the picture {path} is not there; give the path of a PNG with an alpha channel")
    rgba = _rgba(path, path.stat().st_size, path.stat().st_mtime_ns)
    covered = np.argwhere(rgba[..., 3] > 0.5)
    if len(covered) < _LEAST_COVERED * rgba[..., 3].size:
        raise ValueError(
            f"the picture {path} shows no object: {len(covered)} of its {rgba[..., 3].size} pixels are opaque; "
            "keep the object opaque and make the background transparent"
        )
    return torch.from_numpy(_framed(rgba, covered, fill))


def write_picture(path: str | Path, rgba: Float[Tensor, "H W 4"]) -> None:
    """A PNG that `read_picture` reads back; whole or not at all.

    Args:
        rgba: in [0, 1], color times alpha.
    """
    color, alpha = rgba.split([3, 1], dim=-1)
    straight = torch.cat([color / alpha.clamp(min=1e-6), alpha], dim=-1).clamp(0, 1)
    with atomic_path(path) as temporary:
        Image.fromarray((255 * straight).round().to(torch.uint8).cpu().numpy()).save(temporary, format="PNG")


@functools.lru_cache(maxsize=1)
def _rgba(path: Path, _size: int, _mtime_ns: int) -> np.ndarray:
    """In [0, 1]. Kept: a run looks at its picture several times, and finding a background takes seconds."""
    return np.asarray(_with_alpha(_opened(path), path), dtype=np.float32) / 255


def _opened(path: Path) -> Image.Image:
    """RGBA, the way that it is looked at: cameras write which side is up."""
    try:
        image = Image.open(path)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    with image:
        if max(image.size) > LARGEST_SIDE:
            raise ValueError(
                f"the picture {path} has {image.width} x {image.height} pixels; scale it down, to at most "
                f"{LARGEST_SIDE} a side"
            )
        try:
            return ImageOps.exif_transpose(image).convert("RGBA")
        except (OSError, SyntaxError, ValueError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    reason = str(error).partition("\n")[0]
    return ValueError(f"{path} is no picture that can be read ({reason}); give a whole PNG or JPEG")


def _with_alpha(rgba: Image.Image, path: Path) -> Image.Image:
    if rgba.getextrema()[3][0] < 255:
        return rgba
    try:
        from rembg import remove
    except ImportError:
        raise ValueError(
            f"the picture {path} has no transparent background; give a PNG whose alpha channel says what the object "
            "is, or pip install 'rembg[cpu]', which finds it"
        ) from None
    return remove(rgba.convert("RGB")).convert("RGBA")


def _framed(rgba: np.ndarray, covered: np.ndarray, fill: float) -> np.ndarray:
    """Premultiplied, in the middle of a square."""
    premultiplied = rgba.copy()
    premultiplied[..., :3] *= rgba[..., 3:]
    if not fill:
        low, high = np.zeros(2, dtype=int), np.array(rgba.shape[:2])
        side = int(high.max())
    else:
        low, high = covered.min(0), covered.max(0) + 1
        side = max(1, round(float((high - low).max()) / fill))
    part = premultiplied[low[0] : high[0], low[1] : high[1]]
    square = np.zeros((side, side, 4), dtype=np.float32)
    top, left = ((side - extent) // 2 for extent in part.shape[:2])
    square[top : top + part.shape[0], left : left + part.shape[1]] = part
    return square
