"""The field itself: grid features, a small network for the density, one for the color.

The same in all directions, as in DreamFusion (arXiv:2209.14988, sec. 3.1). P points.
"""

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from .grid_encoding import GridEncoding

ACTIVATIONS = ("softplus", "exp")
BLOBS = ("cone", "bell")
# exp(15) would be opaque in a millionth of the box; its gradient must not be infinite.
_MAX_EXPONENT = 15.0
_OUTPUTS = {"density": 1, "color": 3}


@dataclass(frozen=True)
class FieldOptions:
    """What a field is made of; with its weights, all that a file needs.

    Raises:
        ValueError: an option is out of its range.
    """

    radius: float = 1.0
    """Half the side of the box that the field fills, world units; outside there is nothing."""
    num_levels: int = 4
    """Grids."""
    num_features: int = 4
    """Of each grid."""
    coarsest: int = 16
    """Cells along a side of the first grid."""
    finest: int = 64
    """Cells along a side of the last grid."""
    log2_table_size: int = 19
    """Grids with more points than two to this power are hashed."""
    hidden: int = 32
    """Width of the one hidden layer of either network."""
    density_activation: str = "softplus"
    """"softplus", or "exp", which takes fewer steps to get opaque."""
    blob: str = "cone"
    """What is added before the activation, so that there is something to begin with: "cone" falls off linearly
    (Magic3D, arXiv:2211.10440), "bell" like a Gaussian (DreamFusion)."""
    blob_scale: float = 10.0
    """Height of the blob."""
    blob_radius: float = 0.5
    """Where a cone has fallen to 0, the standard deviation of a bell; world units."""

    def __post_init__(self) -> None:
        for name, choices in (("density_activation", ACTIVATIONS), ("blob", BLOBS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"system.geometry.{name} {getattr(self, name)!r} must be one of {', '.join(choices)}")
        for name in ("num_levels", "num_features", "coarsest", "hidden", "log2_table_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"system.geometry.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("radius", "blob_radius"):
            if not getattr(self, name) > 0:
                raise ValueError(f"system.geometry.{name} is {getattr(self, name)}; it must be above 0")
        if self.finest < self.coarsest:
            raise ValueError(f"system.geometry.finest {self.finest} must not be below coarsest {self.coarsest}")

    def as_dict(self) -> dict[str, object]:
        """Plain values by name."""
        return asdict(self)


class RadianceField(nn.Module):
    """Density per world unit, and color in [0, 1], at any point."""

    def __init__(self, options: FieldOptions, seed: int = 0) -> None:
        super().__init__()
        self.options = options
        self.encoding = GridEncoding(
            options.num_levels, options.num_features, options.coarsest, options.finest, options.log2_table_size, seed
        )
        self.networks = nn.ModuleDict(
            {
                name: _network(self.encoding.num_outputs, options.hidden, outputs, seed, name)
                for name, outputs in _OUTPUTS.items()
            }
        )

    def density(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, "P"]:
        return self._activated(points, self.networks["density"](self._features(points)))

    def forward(self, points: Float[Tensor, "P 3"]) -> tuple[Float[Tensor, "P"], Float[Tensor, "P 3"]]:
        """Densities and colors."""
        features = self._features(points)
        density = self._activated(points, self.networks["density"](features))
        return density, self.networks["color"](features).sigmoid()

    def normals(self, points: Float[Tensor, "P 3"], step: float) -> Float[Tensor, "P 3"]:
        """Unit vectors along which the density falls, by differences over `step` world units."""
        offsets = step * torch.eye(3, device=points.device)
        ahead = self.density((points[:, None] + offsets).flatten(0, 1)).view(-1, 3)
        return nn.functional.normalize(self.density(points)[:, None] - ahead, dim=-1)

    def _features(self, points: Tensor) -> Tensor:
        return self.encoding((points / (2 * self.options.radius) + 0.5).clamp(0, 1))

    def _activated(self, points: Tensor, raw: Tensor) -> Tensor:
        options = self.options
        distances = points.norm(dim=-1) / options.blob_radius
        shape = 1 - distances if options.blob == "cone" else torch.exp(-0.5 * distances.square())
        raw = raw[:, 0] + options.blob_scale * shape
        if options.density_activation == "exp":
            return raw.clamp(max=_MAX_EXPONENT).exp()
        return nn.functional.softplus(raw)


def _network(num_inputs: int, hidden: int, num_outputs: int, seed: int, name: str) -> nn.Sequential:
    """One hidden layer, its weights drawn as torch draws them, from a generator of our own."""
    layers = nn.Sequential(
        nn.Linear(num_inputs, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, num_outputs, bias=False)
    )
    generator = generator_for(seed, f"network-{name}", 0)
    with torch.no_grad():
        for layer in (layers[0], layers[2]):
            bound = layer.in_features**-0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
    return layers
