"""Classifier-free guidance. The one place and the one convention: guidance_scale 1 is the conditional prediction.

B views.
"""

from jaxtyping import Float
from torch import Tensor


def guide(
    unconditional: Float[Tensor, "B ..."], conditional: Float[Tensor, "B ..."], guidance_scale: float
) -> Float[Tensor, "B ..."]:
    """unconditional + s (conditional - unconditional) (arXiv:2207.12598; s = 1 + w with the paper's w)."""
    return unconditional + guidance_scale * (conditional - unconditional)


def rescale(
    guided: Float[Tensor, "B ..."], conditional: Float[Tensor, "B ..."], share: float, views_per_group: int = 1
) -> Float[Tensor, "B ..."]:
    """Gives the guided prediction back the spread that guidance inflated (arXiv:2305.08891, sec. 3.4).

    share * guided * std(conditional) / std(guided) + (1 - share) * guided, with the deviations of a group of views.

    Args:
        share: 0 changes nothing; 0.7 in the paper, 0.5 in MVDream's code.
    """

    def spread(values: Tensor) -> Tensor:
        by_group = values.reshape(-1, views_per_group, *values.shape[1:]).flatten(1).std(dim=1)
        return by_group.repeat_interleave(views_per_group).reshape(-1, *[1] * (values.ndim - 1))

    # A constant prediction has no spread to give back.
    factor = spread(conditional) / spread(guided).clamp(min=1e-8)
    return (share * factor + 1 - share) * guided
