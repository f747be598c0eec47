"""Image sets on disk: made on first use, then read."""

import hashlib
import io
import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from ..storage.cache_entry import read_entry, write_entry
from ..storage.cache_folder import cache_folder
from .image_set import ImageSet, ImageSetRecipe, make_image_set
from .objects import build_scene
from .ray_tracer import AMBIENT, LIGHT_DIRECTION

_FORMAT = 3
"""Raise it when the ray tracer or the sampling of directions changes what a recipe gives."""


def cached_image_set(recipe: ImageSetRecipe, folder: Path | None = None) -> ImageSet:
    """The recipe's image set, from the cache where it is there and sound, else made and put there."""
    path = (folder or cache_folder()) / "toybox" / f"{_fingerprint(recipe)}.images"
    content = read_entry(path)
    if content is not None:
        return _unpack(content)
    made = make_image_set(recipe)
    write_entry(path, _pack(made))
    return made


def _fingerprint(recipe: ImageSetRecipe) -> str:
    """Of the recipe and of the geometry behind it, so that a changed object is traced anew.

    And of torch, whose versions place the cameras a few bits apart.
    """
    told = json.dumps([_FORMAT, torch.__version__, AMBIENT, LIGHT_DIRECTION, asdict(recipe)])
    # 60 and 60.0, from a YAML or from code, are one recipe.
    digest = hashlib.sha256(json.dumps(json.loads(told, parse_int=float)).encode())
    for caption in recipe.captions:
        scene = build_scene(caption.without_view)
        for field in fields(scene):
            digest.update(getattr(scene, field.name).numpy().tobytes())
    return digest.hexdigest()[:24]


def _unpack(content: bytes) -> ImageSet:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return ImageSet(*[torch.from_numpy(file[field.name]) for field in fields(ImageSet)])


def _pack(images: ImageSet) -> bytes:
    arrays = io.BytesIO()
    np.savez_compressed(arrays, **{field.name: getattr(images, field.name).numpy() for field in fields(images)})
    return arrays.getvalue()
