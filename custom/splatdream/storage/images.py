"""Float images as PNG files."""

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from .atomic_file import atomic_path


def to_uint8(image: Float[Tensor, "*batch H W 3"]) -> UInt8[np.ndarray, "*batch H W 3"]:
    """The image in [0, 255], rounded to the nearest integer; values outside [0, 1] are clipped.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    image = image.detach()
    if not torch.isfinite(image).all():
        count = int((~torch.isfinite(image)).sum())
        raise ValueError(f"the image holds {count} values that are not finite; look for NaN in what was rendered")
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def png_bytes(image: Float[Tensor, "H W 3"]) -> bytes:
    """The content of a PNG file with an RGB image in [0, 1].

    Raises:
        ValueError: a value is NaN or infinite.
    """
    content = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(content, format="PNG")
    return content.getvalue()


def write_png(path: str | Path, image: Float[Tensor, "H W 3"]) -> None:
    """Writes an RGB image in [0, 1], whole or not at all.

    Raises:
        ValueError: a value is NaN or infinite.
        OSError: the file cannot be written.
    """
    content = png_bytes(image)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
