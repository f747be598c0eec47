"""The images that training draws from, traced once at the start, and the texts and cameras that belong to them.

N images.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..cameras.batch import CameraBatch, cat, orbit_cameras
from ..cameras.random_streams import generator_for
from ..toybox.image_cache import cached_image_set
from ..toybox.image_set import ImageSetRecipe
from ..toybox.objects import build_scene
from ..toybox.ray_tracer import trace
from ..toybox.vocabulary import ToyboxCaption

VIEWS_PER_GROUP = 4
GRAY_SHARE = 0.25
"""Share of the images in front of a gray instead of white, so that a white ground is not part of the object."""
_DISTANCE_RANGE = (2.3, 2.7)


@dataclass(frozen=True)
class ImageBank:
    """Images on their plain grounds; of a bank of groups, four consecutive ones show one object, 90 degrees apart."""

    rgb: UInt8[Tensor, "N 3 size size"]
    captions: tuple[ToyboxCaption, ...]
    """One an image."""
    cameras: CameraBatch

    def __len__(self) -> int:
        return len(self.rgb)

    def images(self, rows: Tensor) -> Float[Tensor, "B 3 size size"]:
        """In [-1, 1], as diffusers' autoencoders take them."""
        return self.rgb[rows].float() / 127.5 - 1


def photo_bank(captions: tuple[ToyboxCaption, ...], num_images: int, size: int, seed: int) -> ImageBank:
    """Front-biased single views, from the image cache where they are there."""
    recipe = ImageSetRecipe(captions, num_images, size, seed)
    images = cached_image_set(recipe)
    cameras = orbit_cameras(images.elevation_deg, images.azimuth_deg, recipe.distance, recipe.fovy_deg, size, size)
    owners = tuple(captions[row % len(captions)] for row in range(num_images))
    return ImageBank(_on_grounds(images.rgba, generator_for(seed, "ground", 0)), owners, cameras)


def group_bank(captions: tuple[ToyboxCaption, ...], num_groups: int, size: int, seed: int) -> ImageBank:
    """Groups of four views 90 degrees apart from a random yaw, one elevation and distance each; no bias."""
    rgba, cameras, owners = [], [], []
    for group in range(num_groups):
        caption = captions[group % len(captions)]
        yaw, height, away = torch.rand(3, generator=generator_for(seed, "group", group)).tolist()
        low, high = ImageSetRecipe.elevation_range_deg
        azimuth = [360 * yaw - 180 + 90 * view for view in range(VIEWS_PER_GROUP)]
        distance = _DISTANCE_RANGE[0] + away * (_DISTANCE_RANGE[1] - _DISTANCE_RANGE[0])
        mine = orbit_cameras(
            [low + height * (high - low)] * VIEWS_PER_GROUP, azimuth, distance, ImageSetRecipe.fovy_deg, size, size
        )
        cameras.append(mine)
        rgba.append((255 * trace(build_scene(caption), mine)).round().to(torch.uint8))
        owners += [caption] * VIEWS_PER_GROUP
    generator = generator_for(seed, "group-ground", 0)
    return ImageBank(_on_grounds(torch.cat(rgba), generator, VIEWS_PER_GROUP), tuple(owners), cat(cameras))


def object_bank(captions: tuple[ToyboxCaption, ...], num_views: int, size: int, seed: int) -> ImageBank:
    """So many consecutive views of each object, from all around, on white, as Zero-1-to-3's; no bias.

    Azimuths are stratified over an object's views, and so are elevations.
    """
    rgba, cameras = [], []
    low, high = ImageSetRecipe.elevation_range_deg
    for place, caption in enumerate(captions):
        generator = generator_for(seed, "object", place)
        around, height, away = torch.rand(3, num_views, generator=generator)
        azimuth = 360 * (torch.arange(num_views) + around) / num_views - 180
        elevation = low + (torch.randperm(num_views, generator=generator) + height) / num_views * (high - low)
        distance = _DISTANCE_RANGE[0] + away * (_DISTANCE_RANGE[1] - _DISTANCE_RANGE[0])
        mine = orbit_cameras(elevation, azimuth, distance, ImageSetRecipe.fovy_deg, size, size)
        cameras.append(mine)
        rgba.append((255 * trace(build_scene(caption), mine)).round().to(torch.uint8))
    owners = tuple(caption for caption in captions for _ in range(num_views))
    return ImageBank(_over(torch.cat(rgba), torch.ones(len(owners))), owners, cat(cameras))


def _on_grounds(
    rgba: UInt8[Tensor, "N size size 4"], generator: torch.Generator, together: int = 1
) -> UInt8[Tensor, "N 3 size size"]:
    """White or gray grounds; `together` consecutive images share theirs."""
    chosen, gray = torch.rand(2, len(rgba) // together, generator=generator).repeat_interleave(together, dim=1)
    return _over(rgba, torch.where(chosen < GRAY_SHARE, gray, 1.0))


def _over(rgba: UInt8[Tensor, "N size size 4"], grounds: Float[Tensor, "N"]) -> UInt8[Tensor, "N 3 size size"]:
    """Over grounds of these brightnesses in [0, 1]."""
    result = torch.empty(len(rgba), 3, *rgba.shape[1:3], dtype=torch.uint8)
    for row in range(0, len(rgba), 512):
        part = rgba[row : row + 512].float().movedim(-1, 1)
        on_ground = part[:, :3] + (255 - part[:, 3:]) * grounds[row : row + 512, None, None, None]
        result[row : row + 512] = on_ground.round().clamp(0, 255).to(torch.uint8)
    return result
