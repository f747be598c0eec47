"""A field with what makes looking at it quick: the whole of what a run trains, a checkpoint keeps and a file holds.

R rays, S samples of all rays together.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .occupancy import OccupancyGrid
from .radiance_field import FieldOptions, RadianceField
from .ray_samples import Rays, RaySamples


class Volume(nn.Module):
    """Args: step_size: length of a sample along a ray, world units; occupancy_resolution: cells along a side.

    Raises:
        ValueError: a number is not above 0.
    """

    def __init__(self, options: FieldOptions, occupancy_resolution: int, step_size: float, seed: int = 0) -> None:
        super().__init__()
        for name, value in (("occupancy_resolution", occupancy_resolution), ("step_size", step_size)):
            if not value > 0:
                raise ValueError(f"system.geometry.{name} is {value}; it must be above 0")
        self.occupancy_resolution, self.step_size = occupancy_resolution, step_size
        self.field = RadianceField(options, seed)
        self.occupancy = OccupancyGrid(options.radius, occupancy_resolution, seed)

    def samples(self, rays: Rays, jitter: Float[Tensor, "R"] | None = None) -> RaySamples:
        """What can be seen along each ray; see `OccupancyGrid.samples`."""
        return self.occupancy.samples(rays, self.field.density, self.step_size, jitter)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def solid_points(self, min_alpha: float) -> Float[Tensor, "P 3"]:
        """Middles of those occupied cells where one sample is at least so opaque, world units."""
        is_occupied, radius = self.occupancy.is_occupied, self.field.options.radius
        points = (torch.nonzero(is_occupied) + 0.5) * (2 * radius / len(is_occupied)) - radius
        return points[-torch.expm1(-self.field.density(points) * self.step_size) >= min_alpha]

    def after_step(self, step: int) -> None:
        """Keeps the occupied cells up to date; `step` counts optimizer steps, from 0."""
        self.occupancy.update(step, self.field.density, self.step_size)
