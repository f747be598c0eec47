"""The registered material that threestudio asks for: Gaussians carry their own color."""

from jaxtyping import Float
from torch import Tensor

from ..host import BaseMaterial, register


@register("splatdream-no-material")
class NoMaterial(BaseMaterial):
    """Colors as they are."""

    def forward(self, features: Float[Tensor, "*points 3"], **kwargs: object) -> Float[Tensor, "*points 3"]:
        return features
