"""Image sets on disk: made on first use, then read. A missing, broken or unwritable cache costs only a second."""

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from .image_set import ImageSet, ImageSetRecipe, make_image_set
from .objects import build_scene
from .ray_tracer import AMBIENT, LIGHT_DIRECTION

_FORMAT = 1
"""Raise it when the ray tracer or the sampling of directions changes what a recipe gives."""
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`$SPLATDREAM_CACHE`, else `~/.cache/splatdream`."""
    configured = os.environ.get("SPLATDREAM_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "splatdream"


def cached_image_set(recipe: ImageSetRecipe, folder: Path | None = None) -> ImageSet:
    """The recipe's image set, from the cache where it is there and sound, else made and put there."""
    path = (folder or cache_folder()) / "toybox" / f"{_fingerprint(recipe)}.npz"
    found = _read(path, recipe)
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


def _read(path: Path, recipe: ImageSetRecipe) -> ImageSet | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = ImageSet(*[torch.from_numpy(file[field.name]) for field in fields(ImageSet)])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        _log.warning("the cached image set %s cannot be read and is made again: %s", path, error)
        return None
    if found.rgba.shape != (recipe.num_images, recipe.size, recipe.size, 4):
        _log.warning("the cached image set %s has the wrong shape and is made again", path)
        return None
    return found


def _write(path: Path, images: ImageSet) -> None:
    """Under a temporary name first: another process sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **{f.name: getattr(images, f.name).numpy() for f in fields(images)})
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
