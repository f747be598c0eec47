"""Colors between the charts, so that coarser mip levels do not mix in black."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def fill_between_charts(texture: Float[Tensor, "H W C"], is_painted: Bool[Tensor, "H W"]) -> Float[Tensor, "H W C"]:
    """The texture with every unpainted texel in the color of the nearest painted one.

    Raises:
        ValueError: nothing is painted.
    """
    from scipy.ndimage import distance_transform_edt

    if not is_painted.any():
        raise ValueError("no texel of the texture is painted; the mesh has no area in the texture")
    rows, columns = distance_transform_edt(~is_painted.cpu().numpy(), return_distances=False, return_indices=True)
    return texture[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]
