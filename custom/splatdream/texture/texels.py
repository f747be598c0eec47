"""Which point of the surface each texel is.

H x W texels, N texels that belong to a chart or to the ring round it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..meshing.mesh import Mesh
from .ray_casting import RayCaster
from .textured_mesh import UvLayout

RING_TEXELS = 2.0
"""Texels this near to a chart get the color of the nearest point on it: bilinear lookups at the border read them."""


@dataclass(frozen=True)
class TexelMap:
    texels: Int[Tensor, "N"]
    """Index into the flattened [H, W]; row 0 is the top."""
    face_ids: Int[Tensor, "N"]
    barycentrics: Float[Tensor, "N 3"]
    """Weights of the face's corners; for a texel of the ring those of the nearest point of the face."""
    is_inside: Bool[Tensor, "N"]
    """False for texels of the ring."""
    height: int
    width: int

    def at_texels(self, corner_values: Float[Tensor, "F 3 C"]) -> Float[Tensor, "N C"]:
        """Values given at the corners of every face, interpolated at the texels."""
        return (corner_values[self.face_ids] * self.barycentrics[..., None]).sum(1)

    def covered(self) -> Bool[Tensor, "H W"]:
        """True for every texel of the map."""
        mask = torch.zeros(self.height * self.width, dtype=torch.bool, device=self.texels.device)
        mask[self.texels] = True
        return mask.view(self.height, self.width)

    def image(self, values: Float[Tensor, "N C"]) -> Float[Tensor, "H W C"]:
        """A texture with these values, zero where nothing is mapped."""
        texture = values.new_zeros(self.height * self.width, values.shape[1])
        return texture.index_copy(0, self.texels, values).view(self.height, self.width, -1)


def map_texels(layout: UvLayout, height: int, width: int) -> TexelMap:
    """Casts a ray down on the flattened charts through the center of each texel."""
    places = layout.uvs * layout.uvs.new_tensor([width, height])
    flat = torch.cat([places, torch.zeros_like(places[:, :1])], dim=1)
    caster = RayCaster(Mesh(flat, layout.uv_faces))
    rows, columns = (torch.arange(size, device=places.device) + 0.5 for size in (height, width))
    # Row 0 is the top of the texture, where v is 1.
    y, x = torch.meshgrid(height - rows, columns, indexing="ij")
    starts = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
    down = torch.tensor([0.0, 0.0, -1.0], device=places.device).expand_as(starts)
    hits = caster.cast(starts, down)
    ring, ring_faces = _ring(hits.is_hit.view(height, width), hits.face_ids.view(height, width))
    nearest = _closest_barycentrics(starts[ring, :2], places[layout.uv_faces[ring_faces]])
    inside = torch.nonzero(hits.is_hit)[:, 0]
    texels = torch.cat([inside, ring])
    return TexelMap(
        texels=texels,
        face_ids=torch.cat([hits.face_ids[inside], ring_faces]),
        barycentrics=torch.cat([hits.barycentrics[inside], nearest]),
        is_inside=torch.arange(len(texels), device=texels.device) < len(inside),
        height=height,
        width=width,
    )


def _ring(is_hit: Bool[Tensor, "H W"], face_ids: Int[Tensor, "H W"]) -> tuple[Int[Tensor, "M"], Int[Tensor, "M"]]:
    """Texels near a chart but outside of it, and the face of their nearest texel inside."""
    from scipy.ndimage import distance_transform_edt

    distances, nearest = distance_transform_edt(~is_hit.cpu().numpy(), return_indices=True)
    in_ring = torch.from_numpy((distances > 0) & (distances <= RING_TEXELS)).to(is_hit.device)
    rows, columns = (torch.from_numpy(index).long().to(is_hit.device) for index in nearest)
    return torch.nonzero(in_ring.reshape(-1))[:, 0], face_ids[rows, columns][in_ring]


def _closest_barycentrics(points: Float[Tensor, "M 2"], triangles: Float[Tensor, "M 3 2"]) -> Float[Tensor, "M 3"]:
    """Weights of the point of each triangle that is nearest to a point outside of it: the best of its three sides."""
    best = torch.zeros(len(points), 3).to(points)
    best_distance = torch.full((len(points),), torch.inf).to(points)
    for k in range(3):
        start, end = triangles[:, k], triangles[:, (k + 1) % 3]
        side = end - start
        along = ((points - start) * side).sum(1) / side.square().sum(1).clamp(min=1e-12)
        along = along.clamp(0, 1)
        distance = (start + along[:, None] * side - points).square().sum(1)
        weights = torch.zeros_like(best)
        weights[:, k], weights[:, (k + 1) % 3] = 1 - along, along
        is_nearer = distance < best_distance
        best = torch.where(is_nearer[:, None], weights, best)
        best_distance = torch.where(is_nearer, distance, best_distance)
    return best
