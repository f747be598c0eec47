"""GaussianCloud: N Gaussians as they are stored, and the activations that turn storage into meaning.

N Gaussians, K = (degree + 1)^2 spherical-harmonics coefficients a channel.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass
class GaussianCloud:
    """Raw storage: unbounded numbers that an optimizer may move freely (3DGS sec. 4, arXiv:2308.04079)."""

    means: Float[Tensor, "N 3"]
    """Centers, world units."""
    log_scales: Float[Tensor, "N 3"]
    """Natural logarithm of the standard deviations along the local axes, world units."""
    quats: Float[Tensor, "N 4"]
    """Rotations wxyz; any norm but zero."""
    opacity_logits: Float[Tensor, "N"]
    sh0: Float[Tensor, "N 1 3"]
    """Spherical-harmonics coefficients of degree 0; color = 0.5 + C0 * sh0."""
    shN: Float[Tensor, "N K_minus_1 3"]
    """The coefficients above degree 0, possibly none."""

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> Float[Tensor, "N 3"]:
        return self.log_scales.exp()

    @property
    def opacities(self) -> Float[Tensor, "N"]:
        return self.opacity_logits.sigmoid()

    @property
    def sh(self) -> Float[Tensor, "N K 3"]:
        return torch.cat([self.sh0, self.shN], dim=1)

    @property
    def sh_degree(self) -> int:
        """0 to 3, from the number of coefficients that are stored."""
        return round((1 + self.shN.shape[1]) ** 0.5) - 1

    def tensors(self) -> dict[str, Tensor]:
        """The raw tensors by name, in a fixed order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def detach(self) -> "GaussianCloud":
        return GaussianCloud(**{name: tensor.detach() for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> "GaussianCloud":
        return GaussianCloud(**{name: tensor.to(device) for name, tensor in self.tensors().items()})
