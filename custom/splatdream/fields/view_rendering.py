"""Images of a field.

B views, H x W pixels, R = B H W rays, S samples of all rays together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from .ray_samples import Rays, RaySamples
from .volume import Volume
from .volume_rendering import along_rays, weights_along_rays

_RAYS_AT_ONCE = 1 << 15
ColorChange = Callable[[Float[Tensor, "S 3"], Float[Tensor, "S 3"], RaySamples], Float[Tensor, "S 3"]]
"""Points, their colors and the samples that they are of, to other colors, e.g. lit ones."""


@dataclass(frozen=True)
class Gathered:
    """What rays brought home."""

    premultiplied: Float[Tensor, "R 3"]
    """Colors before black."""
    opacities: Float[Tensor, "R 1"]
    distances: Float[Tensor, "R 1"]
    """Expected ones along the ray, world units; 0 where nothing is seen."""
    samples: RaySamples
    weights: Float[Tensor, "S"]
    points: Float[Tensor, "S 3"]


def gather(
    volume: Volume, rays: Rays, jitter: Float[Tensor, "R"] | None = None, change: ColorChange | None = None
) -> Gathered:
    """Colors, opacities and distances of rays; gradients flow to the field.

    Args:
        jitter: shifts the samples of each ray by this share of one, in [0, 1).
        change: of the colors of samples before they are gathered.
    """
    samples = volume.samples(rays, jitter)
    points = samples.points(rays)
    densities, colors = volume.field(points)
    if change is not None:
        colors = change(points, colors, samples)
    weights = weights_along_rays(samples, densities, len(rays))
    opacities = along_rays(samples, weights, len(rays))
    distances = along_rays(samples, weights, len(rays), samples.middles[:, None])
    return Gathered(
        premultiplied=along_rays(samples, weights, len(rays), colors),
        opacities=opacities,
        distances=distances / opacities.clamp(min=1e-8),
        samples=samples,
        weights=weights,
        points=points,
    )


def rays_of(cameras: CameraBatch) -> Rays:
    """One through the center of every pixel."""
    directions = cameras.ray_directions
    origins = cameras.positions[:, None, None, :].expand_as(directions)
    return Rays(origins.reshape(-1, 3), directions.reshape(-1, 3))


def axis_cosines(cameras: CameraBatch) -> Float[Tensor, "B H W 1"]:
    """Of the rays with the camera's axis: depth by distance."""
    forward = -cameras.c2w[:, None, None, :3, 2]
    return (cameras.ray_directions * forward).sum(-1, keepdim=True)


@torch.no_grad()
def gather_colors(volume: Volume, rays: Rays) -> tuple[Float[Tensor, "R 3"], Float[Tensor, "R 1"]]:
    """Colors before black and opacities, without gradient, some rays at a time to bound memory."""
    pieces = zip(rays.origins.split(_RAYS_AT_ONCE), rays.directions.split(_RAYS_AT_ONCE), strict=True)
    parts = [gather(volume, Rays(origins, directions)) for origins, directions in pieces]
    return torch.cat([part.premultiplied for part in parts]), torch.cat([part.opacities for part in parts])


def render_views(
    volume: Volume, cameras: CameraBatch, background: Float[Tensor, "B 3"]
) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 1"]]:
    """Colors over a background and coverage, without gradient."""
    rgb, alpha = gather_colors(volume, rays_of(cameras))
    rgb, alpha = (values.view(len(cameras), cameras.height, cameras.width, -1) for values in (rgb, alpha))
    return rgb + (1 - alpha) * background[:, None, None, :], alpha
