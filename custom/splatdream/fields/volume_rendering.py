"""What a ray gathers on its way (NeRF, arXiv:2003.08934, eq. 3): weights of samples, and sums by them.

R rays, S samples of all rays together.
"""

import torch
from jaxtyping import Float
from nerfacc import accumulate_along_rays, render_weight_from_density
from torch import Tensor

from .ray_samples import RaySamples


def transmittances(samples: RaySamples, densities: Float[Tensor, "S"]) -> Float[Tensor, "S"]:
    """Share of the light that comes from each sample to the eye: exp(- sum of density x length before it)."""
    lengths = (densities * (samples.ends - samples.starts)).double()
    # One running sum over all rays; what had been summed up where a ray begins is taken off again, which single
    # precision could not do.
    before = lengths.cumsum(0) - lengths
    starts = torch.ones_like(samples.ray_indices, dtype=torch.bool)
    starts[1:] = samples.ray_indices[1:] != samples.ray_indices[:-1]
    first = torch.nonzero(starts)[:, 0][starts.cumsum(0) - 1]
    return torch.exp(before[first] - before).to(densities.dtype)


def weights_along_rays(samples: RaySamples, densities: Float[Tensor, "S"], num_rays: int) -> Float[Tensor, "S"]:
    """Share that each sample has in the color of its ray."""
    if densities.is_cuda:
        ends = samples.ends
        return render_weight_from_density(
            samples.starts, ends, densities, ray_indices=samples.ray_indices, n_rays=num_rays
        )[0]
    alphas = -torch.expm1(-densities * (samples.ends - samples.starts))
    return transmittances(samples, densities) * alphas


def along_rays(
    samples: RaySamples, weights: Float[Tensor, "S"], num_rays: int, values: Float[Tensor, "S C"] | None = None
) -> Float[Tensor, "R C"]:
    """Sums of weighted values by ray; of the weights themselves without any."""
    return accumulate_along_rays(weights, values, samples.ray_indices, num_rays)
