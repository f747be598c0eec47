"""Colors for places that no view has seen, from the nearest places that some view has.

N places, S of them seen.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

NUM_NEIGHBORS = 8


def inpaint(
    colors: Float[Tensor, "N C"], points: Float[Tensor, "N 3"], is_seen: Bool[Tensor, "N"]
) -> Float[Tensor, "N C"]:
    """Colors with unseen places filled in: means of the nearest seen places in space, weighted by 1 / distance^2.

    In space, not in the texture, so that two charts that meet on the surface get the same colors at their border.

    Raises:
        ValueError: nothing was seen.
    """
    from scipy.spatial import cKDTree

    if not is_seen.any():
        raise ValueError("no view sees any part of the mesh; check that the cameras look at it")
    if is_seen.all():
        return colors
    seen_colors, seen_points = colors[is_seen], points[is_seen]
    num_neighbors = min(NUM_NEIGHBORS, len(seen_points))
    distances, nearest = cKDTree(seen_points.cpu().numpy()).query(
        points[~is_seen].cpu().numpy(), k=list(range(1, num_neighbors + 1))
    )
    weights = 1 / torch.from_numpy(distances).to(colors).square().clamp(min=1e-12)
    neighbors = seen_colors[torch.from_numpy(nearest).long().to(colors.device)]
    filled = colors.clone()
    filled[~is_seen] = (weights[..., None] * neighbors).sum(1) / weights.sum(1, keepdim=True)
    return filled
