"""Image sets: what a photographer would bring home from the toybox, mostly fronts, like photos on the web.

N images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..cameras.batch import orbit_cameras
from .objects import build_scene
from .ray_tracer import trace
from .vocabulary import COLORS, OBJECTS, ToyboxCaption

OVERHEAD_ELEVATION_DEG = (60.5, 85.0)
FRONT_SHARE, SIDE_SHARE = 0.65, 0.25
"""Shares of the azimuths within 45 degrees of the front, and on the two sides; the rest is within 45 of the back."""


@dataclass(frozen=True)
class ImageSet:
    """Images on transparent ground, each with the direction that it was taken from."""

    rgba: UInt8[Tensor, "N size size 4"]
    """Premultiplied, 0..255: what a cache file keeps, so that a cached set equals a fresh one."""
    elevation_deg: Float[Tensor, "N"]
    azimuth_deg: Float[Tensor, "N"]

    def __len__(self) -> int:
        return len(self.rgba)


@dataclass(frozen=True)
class ImageSetRecipe:
    """All that determines an image set."""

    captions: tuple[ToyboxCaption, ...]
    """The images are dealt out to the captions in turn."""
    num_images: int = 500
    size: int = 64
    """Pixels, height and width."""
    seed: int = 0
    distance: float = 2.5
    """Of the cameras from the origin, world units."""
    fovy_deg: float = 49.1
    elevation_range_deg: tuple[float, float] = (-10.0, 60.0)
    """Of the images that are not taken from overhead: that of the training cameras."""
    overhead_share: float = 0.07
    """Share of the images taken from overhead, at `OVERHEAD_ELEVATION_DEG`."""

    def __post_init__(self) -> None:
        if not self.captions:
            raise ValueError("an image set needs at least one caption")
        if self.num_images < len(self.captions):
            raise ValueError(
                f"num_images {self.num_images} must be at least the number of captions, {len(self.captions)}"
            )
        if not 0 <= self.overhead_share < 1:
            raise ValueError(f"overhead_share {self.overhead_share} must be at least 0 and below 1")
        low, high = self.elevation_range_deg
        if not -90 < low <= high <= OVERHEAD_ELEVATION_DEG[0]:
            raise ValueError(
                f"elevation_range_deg {self.elevation_range_deg} must ascend and end at {OVERHEAD_ELEVATION_DEG[0]} "
                "or lower, where overhead views begin"
            )


def make_image_set(recipe: ImageSetRecipe) -> ImageSet:
    """Trace the images: a tenth of a second for 500 of them at 64 pixels."""
    rng = np.random.default_rng(recipe.seed)
    elevation, azimuth = sample_photo_directions(recipe, rng)
    rgba = torch.empty(recipe.num_images, recipe.size, recipe.size, 4, dtype=torch.uint8)
    for index, caption in enumerate(recipe.captions):
        mine = slice(index, None, len(recipe.captions))
        cameras = orbit_cameras(
            elevation[mine], azimuth[mine], recipe.distance, recipe.fovy_deg, recipe.size, recipe.size
        )
        rgba[mine] = (255 * trace(build_scene(caption.without_view), cameras)).round().to(torch.uint8)
    return ImageSet(rgba, elevation, azimuth)


def sample_photo_directions(
    recipe: ImageSetRecipe, rng: np.random.Generator
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
    """Elevations and azimuths in degrees, biased to the front; image i belongs to caption i % len(captions).

    Both are stratified, over the whole set and over each caption's images, so that small sets cover the directions.
    """
    places = _stratified(recipe.num_images, len(recipe.captions), rng)
    side = 0.5 * SIDE_SHARE
    edges = np.cumsum([0.0, 0.5 * (1 - FRONT_SHARE - SIDE_SHARE), side, FRONT_SHARE, side])
    edges = np.append(edges, 1.0)
    azimuth = np.interp(places, edges, [-180.0, -135.0, -45.0, 45.0, 135.0, 180.0])
    heights = _stratified(recipe.num_images, len(recipe.captions), rng)
    edge = 1 - recipe.overhead_share
    low = np.interp(heights, [0.0, edge], recipe.elevation_range_deg)
    high = np.interp(heights, [edge, 1.0], OVERHEAD_ELEVATION_DEG)
    elevation = np.where(heights < edge, low, high)
    return torch.tensor(elevation, dtype=torch.float32), torch.tensor(azimuth, dtype=torch.float32)


def _stratified(num_images: int, num_captions: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers in [0, 1), one in each of num_images equal intervals; every caption's share spans them all."""
    rounds = -(-num_images // num_captions)
    # Round r takes, for every caption, one interval of the caption's own order of `rounds` strata.
    strata = np.stack([rng.permutation(rounds) for _ in range(num_captions)], axis=1)  # [rounds, captions]
    within = np.empty_like(strata)
    for stratum in range(rounds):
        within[strata == stratum] = rng.permutation(num_captions)
    order = (strata * num_captions + within).reshape(-1)[:num_images]
    ranks = np.argsort(np.argsort(order))
    return (ranks + rng.random(num_images)) / num_images


def unconditional_captions() -> tuple[ToyboxCaption, ...]:
    """Every object in every color: what the toybox shows when it is asked for nothing in particular."""
    return tuple(ToyboxCaption(name, color) for color in COLORS for name in OBJECTS)
