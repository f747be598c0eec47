"""How light leaves a painted surface, and the two ways of writing a color as numbers.

Textures, renders and images hold sRGB-coded colors, as PNG files and screens do; light adds up in linear colors.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Material:
    """The metallic-roughness material of glTF 2.0, apart from its texture."""

    roughness: float = 1.0
    """0 a mirror, 1 chalk. Distilled colors carry their own shading, so highlights on top of it are off by default."""
    metallic: float = 0.0
    """0 a dielectric, 1 a metal."""
    is_unlit: bool = False
    """True: viewers show the texture as it is, without any light (KHR_materials_unlit)."""

    def __post_init__(self) -> None:
        for name in ("roughness", "metallic"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"material {name} must be between 0 and 1, got {value}")


def srgb_to_linear(coded: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Linear colors of sRGB-coded ones, both in [0, 1] (IEC 61966-2-1)."""
    return torch.where(coded <= 0.04045, coded / 12.92, ((coded.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The inverse of `srgb_to_linear`."""
    small = 0.0031308
    return torch.where(linear <= small, 12.92 * linear, 1.055 * linear.clamp(min=small) ** (1 / 2.4) - 0.055)
