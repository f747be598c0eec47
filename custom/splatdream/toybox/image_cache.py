"""Image sets on disk: made on first use, then read. A missing, broken or unwritable cache costs only a second."""

import hashlib
import io
import json
import logging
import os
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from ..storage.atomic_file import write_bytes
from .image_set import ImageSet, ImageSetRecipe, make_image_set
from .objects import build_scene
from .ray_tracer import AMBIENT, LIGHT_DIRECTION

_FORMAT = 2
"""Raise it when the ray tracer or the sampling of directions changes what a recipe gives."""
_DIGEST_SIZE = hashlib.sha256().digest_size
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`$SPLATDREAM_CACHE`, else `~/.cache/splatdream`."""
    configured = os.environ.get("SPLATDREAM_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "splatdream"


def cached_image_set(recipe: ImageSetRecipe, folder: Path | None = None) -> ImageSet:
    """The recipe's image set, from the cache where it is there and sound, else made and put there."""
    path = (folder or cache_folder()) / "toybox" / f"{_fingerprint(recipe)}.images"
    found = _read(path)
    if found is not None:
        return found
    made = make_image_set(recipe)
    try:
        _write(path, made)
    except OSError as error:
        _log.warning("the image set is not cached, %s cannot be written: %s", path, error)
    return made


def _fingerprint(recipe: ImageSetRecipe) -> str:
    """Of the recipe and of the geometry behind it, so that a changed object is traced anew."""
    digest = hashlib.sha256(json.dumps([_FORMAT, AMBIENT, LIGHT_DIRECTION, asdict(recipe)]).encode())
    for caption in recipe.captions:
        scene = build_scene(caption.without_view)
        for field in fields(scene):
            digest.update(getattr(scene, field.name).numpy().tobytes())
    return digest.hexdigest()[:24]


def _read(path: Path) -> ImageSet | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("the cached image set %s cannot be read and is made again: %s", path, error)
        return None
    digest, arrays = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
    if hashlib.sha256(arrays).digest() != digest:
        _log.warning("the cached image set %s is damaged and is made again", path)
        return None
    with np.load(io.BytesIO(arrays), allow_pickle=False) as file:
        return ImageSet(*[torch.from_numpy(file[field.name]) for field in fields(ImageSet)])


def _write(path: Path, images: ImageSet) -> None:
    """A digest, then the arrays; another process sees the whole file or none."""
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{field.name: getattr(images, field.name).numpy() for field in fields(images)})
    write_bytes(path, hashlib.sha256(arrays.getvalue()).digest() + arrays.getvalue())
