"""Colors where the bake has none, and where charts meet: unseen places, texels between charts, borders of charts.

N places, S of them seen. E edges of the mesh that lie on a border, K places along each, H x W texels.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .texels import map_texels
from .textured_mesh import TexturedMesh, UvLayout, sample_texture

_PLACES_PER_EDGE = 6
_NUM_STEPS = 30
_FIDELITY = 0.02


@dataclass(frozen=True)
class Seams:
    """Pairs of places in the texture that are the same place on the surface."""

    left: Float[Tensor, "P 2"]
    right: Float[Tensor, "P 2"]


@dataclass(frozen=True)
class SeamReport:
    num_edges: int
    """Edges of the mesh on a border between charts."""
    mean_difference: float
    """Mean absolute color difference across the borders, in steps of 1/255."""
    worst_difference: float
    """That of the worst percent, likewise."""


def find_seams(faces: Int[Tensor, "F 3"], layout: UvLayout) -> Seams:
    """Places along every edge whose two faces lie apart in the texture."""
    sides = torch.stack([faces, faces.roll(-1, dims=1)], dim=-1).reshape(-1, 2)
    uv_sides = torch.stack([layout.uv_faces, layout.uv_faces.roll(-1, dims=1)], dim=-1).reshape(-1, 2)
    # Lower vertex first on both sides, so that the two sides run alike.
    is_flipped = sides[:, 0] > sides[:, 1]
    sides = torch.where(is_flipped[:, None], sides.flip(1), sides)
    uv_sides = torch.where(is_flipped[:, None], uv_sides.flip(1), uv_sides)
    keys = sides[:, 0] * (int(faces.max()) + 1) + sides[:, 1]
    keys, order = keys.sort(stable=True)
    uv_sides = uv_sides[order]
    is_pair = keys[1:] == keys[:-1]
    first, second = uv_sides[:-1][is_pair], uv_sides[1:][is_pair]
    apart = (layout.uvs[first] != layout.uvs[second]).flatten(1).any(dim=1)
    along = ((torch.arange(_PLACES_PER_EDGE) + 0.5) / _PLACES_PER_EDGE).to(layout.uvs)[None, :, None]
    left, right = (
        (layout.uvs[side[:, :1]] * (1 - along) + layout.uvs[side[:, 1:]] * along).reshape(-1, 2)
        for side in (first[apart], second[apart])
    )
    return Seams(left, right)


def measure_seams(texture: Float[Tensor, "H W 3"], seams: Seams) -> SeamReport:
    """The color difference between the two sides of every border, as a bilinear lookup sees it."""
    if len(seams.left) == 0:
        return SeamReport(0, 0.0, 0.0)
    differences = 255 * (sample_texture(texture, seams.left) - sample_texture(texture, seams.right)).abs().mean(1)
    worst = differences.sort().values[int(0.99 * (len(differences) - 1))]
    return SeamReport(len(seams.left) // _PLACES_PER_EDGE, differences.mean().item(), worst.item())


def close_seams(texture: Float[Tensor, "H W 3"], seams: Seams) -> Float[Tensor, "H W 3"]:
    """The texture with both sides of every border pulled together; texels away from the borders do not move.

    Minimizes the squared difference across the borders plus `_FIDELITY` times the squared change of the texture, by
    conjugate gradients on the bilinear weights.
    """
    if len(seams.left) == 0:
        return texture
    change = torch.zeros_like(texture)

    def operator(direction: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = direction.detach().requires_grad_()
            difference = sample_texture(leaf, seams.left) - sample_texture(leaf, seams.right)
            energy = 0.5 * difference.square().sum() + 0.5 * _FIDELITY * leaf.square().sum()
        return torch.autograd.grad(energy, leaf)[0]

    residual = -(operator(texture) - _FIDELITY * texture)
    direction, norm = residual.clone(), residual.square().sum()
    for _ in range(_NUM_STEPS):
        if norm <= 1e-12:
            break
        image = operator(direction)
        step = norm / (direction * image).sum()
        change += step * direction
        residual -= step * image
        next_norm = residual.square().sum()
        direction, norm = residual + (next_norm / norm) * direction, next_norm
    return (texture + change).clamp(0, 1)


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
