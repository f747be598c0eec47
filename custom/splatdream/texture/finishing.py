"""Colors where the bake has none: places that no view has seen, texels between charts, and the borders of charts.

N places, S of them seen. H x W texels.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .seams import close_seams, find_seams
from .texels import map_texels
from .textured_mesh import TexturedMesh

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


def fill_between_charts(texture: Float[Tensor, "H W C"], is_painted: Bool[Tensor, "H W"]) -> Float[Tensor, "H W C"]:
    """The texture with every unpainted texel in the color of the nearest painted one.

    Else coarser mip levels would mix in black.

    Raises:
        ValueError: nothing is painted.
    """
    from scipy.ndimage import distance_transform_edt

    if not is_painted.any():
        raise ValueError("no texel of the texture is painted; the mesh has no area in the texture")
    rows, columns = distance_transform_edt(~is_painted.cpu().numpy(), return_distances=False, return_indices=True)
    return texture[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


@torch.no_grad()
def finished(textured: TexturedMesh) -> TexturedMesh:
    """Borders of charts closed, colors spread between the charts, all in [0, 1]."""
    height, width = textured.texture.shape[:2]
    covered = map_texels(textured.layout, height, width).covered()
    texture = fill_between_charts(textured.texture.detach().clamp(0, 1), covered)
    return textured.with_texture(close_seams(texture, find_seams(textured.mesh.faces, textured.layout)))
