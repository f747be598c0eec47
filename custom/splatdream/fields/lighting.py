"""Light on a field: without it a flat picture of a round thing pleases a prior as well (DreamFusion, sec. 3.2).

B views, P points.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

AMBIENT, DIFFUSE = 0.1, 0.9
"""threestudio's white light, from everywhere and from one point."""
# Where the light may stand, threestudio's numbers: camera position + noise gives the direction.
_LIGHT_NOISE = 1.0
_LIGHT_DISTANCE = (0.8, 1.5)


@dataclass(frozen=True)
class PointLights:
    """Of one step."""

    positions: Float[Tensor, "B 3"]
    is_textureless: bool
    """Whether everything is white, so that only the shape is looked at."""

    def on(
        self,
        colors: Float[Tensor, "P 3"],
        points: Float[Tensor, "P 3"],
        normals: Float[Tensor, "P 3"],
        positions: Float[Tensor, "P 3"],
    ) -> Float[Tensor, "P 3"]:
        """Lit colors. Args: positions: of the light of each point's view."""
        toward = torch.nn.functional.normalize(positions - points, dim=-1)
        light = AMBIENT + DIFFUSE * (normals * toward).sum(-1, keepdim=True).clamp(min=0)
        return light.expand_as(colors) if self.is_textureless else light * colors


def draw_lights(
    camera_positions: Float[Tensor, "B 3"], lit_share: float, textureless_share: float, generator: torch.Generator
) -> PointLights | None:
    """The lights of a step; None where it is to be seen without.

    Args:
        lit_share: of the steps; textureless_share: of those that are lit.
    """
    is_lit, is_textureless = torch.rand(2, generator=generator) < torch.tensor([lit_share, textureless_share])
    if not is_lit:
        return None
    noise = _LIGHT_NOISE * torch.randn(camera_positions.shape, generator=generator)
    low, high = _LIGHT_DISTANCE
    distances = low + (high - low) * torch.rand(len(camera_positions), 1, generator=generator)
    directions = torch.nn.functional.normalize(camera_positions + noise.to(camera_positions), dim=-1)
    return PointLights(directions * distances.to(directions), bool(is_textureless))
