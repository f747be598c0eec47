"""Noise that belongs to the surface: white in every view, and the same where two views see the same place.

The construction of CFD (arXiv:2501.05445) on a grid of cells in the world instead of an unfolded surface: every cell
holds independent standard normal numbers, and a latent pixel the sum of those of its cells over the root
of their number.

B views of H x W pixels, latents of C x h x w.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for

_SAMPLES = 4
"""Rays across a pixel of the latents that look for its cells."""
_OPAQUE = 0.5
"""Opacity from which a pixel shows a surface."""


@dataclass(frozen=True)
class Surface:
    """What the views of a step show of a surface."""

    cameras: CameraBatch
    depth: Float[Tensor, "B H W 1"]
    """Along the camera's axis, world units; 0 where there is no surface."""
    seed: int

    @staticmethod
    def seen(
        cameras: CameraBatch, depth: Float[Tensor, "B H W 1"], opacity: Float[Tensor, "B H W 1"], seed: int
    ) -> "Surface":
        return Surface(cameras, torch.where(opacity > _OPAQUE, depth, torch.zeros_like(depth)).detach(), seed)

    def points(self, height: int, width: int) -> Float[Tensor, "B height width 3"]:
        """Where the rays through the pixels of such an image meet the surface; not a number where they miss it."""
        cameras = self.cameras.to(self.depth.device)
        depth = torch.nn.functional.interpolate(self.depth.movedim(-1, 1), (height, width)).movedim(1, -1)
        directions = cameras.resized(width, height).ray_directions
        along_axis = -(directions * cameras.c2w[:, None, None, :3, 2]).sum(dim=-1, keepdim=True)
        points = cameras.positions[:, None, None] + directions * depth / along_axis
        return torch.where(depth > 0, points, torch.full_like(points, math.nan))


def fixed_noise(latents: Float[Tensor, "B C h w"], seed: int) -> Float[Tensor, "B C h w"]:
    """Of what has no surface: the same in every view and step."""
    noise = torch.randn(latents.shape[1:], generator=generator_for(seed, "surface noise", 0))
    return noise.to(latents).expand_as(latents)


@torch.no_grad()
def surface_noise(surface: Surface, latents: Float[Tensor, "B C h w"], cell_size: float) -> Float[Tensor, "B C h w"]:
    """Standard normal, independent between the pixels of a view whatever the surface is.

    A cell in which several pixels of a view look belongs, in that view, to the one with the most rays in it; a pixel
    without cells takes `fixed_noise`.

    Args:
        cell_size: world units, smaller than what a pixel of the latents sees.
    """
    noise, (channels, height, width) = fixed_noise(latents, surface.seed).clone(), latents.shape[1:]
    points = surface.points(_SAMPLES * height, _SAMPLES * width)
    pixels = torch.arange(height * width, device=points.device).reshape(height, width)
    pixels = pixels.repeat_interleave(_SAMPLES, 0).repeat_interleave(_SAMPLES, 1)
    for view, of_view in zip(noise, points, strict=True):
        is_hit = of_view[..., 0].isfinite()
        if not is_hit.any():
            continue
        keys = _cell_keys((of_view[is_hit] / cell_size).floor().long(), surface.seed)
        cells, owners = _owned(keys, pixels[is_hit], height * width)
        sums = view.new_zeros(channels, height * width)
        for channel in range(channels):
            sums[channel].index_add_(0, owners, _normal(cells, channel).to(view))
        counts = torch.bincount(owners, minlength=height * width).to(view)
        view.copy_(torch.where(counts > 0, sums / counts.clamp(min=1).sqrt(), view.flatten(1)).reshape(view.shape))
    return noise


def _owned(
    keys: Int[Tensor, "R"], pixels: Int[Tensor, "R"], num_pixels: int
) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"]]:
    """Every cell once, and the pixel with the most rays in it, the first of several."""
    cells, cell_of_ray = keys.unique(return_inverse=True)
    pairs, rays = (cell_of_ray * num_pixels + pixels).unique(return_counts=True)
    cell_of_pair, pixel_of_pair = pairs // num_pixels, pairs % num_pixels
    # One number that is larger for more rays, then for the earlier pixel.
    rank = rays * num_pixels + (num_pixels - 1 - pixel_of_pair)
    best = torch.zeros_like(cells).scatter_reduce_(0, cell_of_pair, rank, "amax")
    return cells, num_pixels - 1 - best % num_pixels


def _cell_keys(cells: Int[Tensor, "R 3"], seed: int) -> Int[Tensor, "R"]:
    key = torch.full_like(cells[:, 0], seed)
    for axis in range(3):
        key = _mixed(key + cells[:, axis])
    return key


def _normal(keys: Int[Tensor, "K"], channel: int) -> Float[Tensor, "K"]:
    """A standard normal number for each key and channel, by Box and Muller's transformation of two hashes."""
    first, second = (((_mixed(keys + 2 * channel + part) >> 11) & (2**53 - 1)).double() for part in (1, 2))
    radius = (-2 * ((first + 1) / 2**53).log()).sqrt()
    return radius * (2 * math.pi / 2**53 * second).cos()


def _mixed(keys: Int[Tensor, "R"]) -> Int[Tensor, "R"]:
    """SplitMix64's output function (Steele, Lea, Flood 2014): one bit in changes half of those out."""
    keys = keys - 7046029254386353131  # 0x9E3779B97F4A7C15 as a signed number, as the two below
    keys = (keys ^ _shifted(keys, 30)) * -4658895280553007687
    keys = (keys ^ _shifted(keys, 27)) * -7723592293110705685
    return keys ^ _shifted(keys, 31)


def _shifted(keys: Int[Tensor, "R"], bits: int) -> Int[Tensor, "R"]:
    """To the right, with zeros from the left."""
    return (keys >> bits) & ((1 << (64 - bits)) - 1)
