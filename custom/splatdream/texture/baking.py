"""Images of the cloud to colors of texels.

B views, N texels, H x W pixels.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..meshing.mesh import Mesh
from .finishing import fill_between_charts, inpaint
from .mesh_rendering import rasterize
from .ray_casting import RayCaster
from .texels import TexelMap
from .textured_mesh import bilinear

MIN_COSINE = 0.1
"""A view counts where it meets the surface at more than this cosine (84 degrees from the normal)."""
MIN_ALPHA = 0.3
"""A pixel counts where the cloud is at least this opaque."""
# A texel near an outline may show what lies behind or before it, since cloud and mesh do not agree to the pixel.
_OUTLINE_WEIGHT = 1e-3
_OUTLINE_PIXELS = 2
_OUTLINE_DEPTH_SHARE = 0.02


@dataclass(frozen=True)
class Photographs:
    """What the cloud looks like."""

    cameras: CameraBatch
    premultiplied: Float[Tensor, "B H W 3"]
    """sRGB-coded color times alpha: rendered before black."""
    alphas: Float[Tensor, "B H W 1"]


@dataclass(frozen=True)
class Bake:
    texture: Float[Tensor, "size size 3"]
    seen_share: float
    """Share of the texels that at least one view sees; the rest is inpainted."""
    num_views: int
    """That were looked at; 0 where each texel had a ray of its own."""


def bake(photographs: Photographs, mesh: Mesh, texels: TexelMap, caster: RayCaster, sharpness: float = 6.0) -> Bake:
    """The colors that the views see, averaged with weights cosine^sharpness x alpha, where nothing is in the way.

    Args:
        sharpness: a higher one leaves each texel to the few views that face it.

    Raises:
        ValueError: no view sees any part of the mesh.
    """
    points = texels.at_texels(mesh.corners)
    normals = mesh.face_normals[texels.face_ids]
    # Start off the surface, so that the texel's own face is not in its way.
    lifted = points + 1e-4 * (mesh.bounds[1] - mesh.bounds[0]).max() * normals
    colors = points.new_zeros(len(points), 3)
    weights = points.new_zeros(len(points), 1)
    for view in range(len(photographs.cameras)):
        camera = photographs.cameras[view : view + 1]
        toward = camera.positions - points
        cosines = (normals * torch.nn.functional.normalize(toward, dim=1)).sum(1)
        chosen = torch.nonzero(cosines > MIN_COSINE)[:, 0]
        position = camera.positions.expand(len(chosen), -1)
        chosen = chosen[~caster.is_blocked(lifted[chosen], position)]
        places, is_in_image = project(points[chosen], camera)
        chosen, places = chosen[is_in_image], places[is_in_image]
        layers = torch.cat(
            [photographs.premultiplied[view], photographs.alphas[view], _trust(caster, camera)[..., None]], dim=-1
        )
        sampled = sample_image(layers, places)
        alpha, trust = sampled[:, 3:4], sampled[:, 4:5]
        weight = cosines[chosen, None].pow(sharpness) * alpha * trust * (alpha > MIN_ALPHA)
        colors.index_add_(0, chosen, weight * sampled[:, :3] / alpha.clamp(min=MIN_ALPHA))
        weights.index_add_(0, chosen, weight)
    is_seen = weights[:, 0] > _OUTLINE_WEIGHT * MIN_ALPHA * MIN_COSINE**sharpness
    colors = inpaint(colors / weights.clamp(min=1e-20), points, is_seen).clamp(0, 1)
    texture = fill_between_charts(texels.image(colors), texels.covered())
    return Bake(texture, is_seen[texels.is_inside].float().mean().item(), len(photographs.cameras))


def project(points: Float[Tensor, "N 3"], camera: CameraBatch) -> tuple[Float[Tensor, "N 2"], Bool[Tensor, "N"]]:
    """Pixel coordinates in the one camera of the batch (the first pixel has its center at (0.5, 0.5)), who is in it."""
    viewmat, K = camera.viewmats[0], camera.Ks[0]
    in_camera = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    depths = in_camera[:, 2].clamp(min=1e-6)
    x = K[0, 0] * in_camera[:, 0] / depths + K[0, 2]
    y = K[1, 1] * in_camera[:, 1] / depths + K[1, 2]
    is_in_image = (in_camera[:, 2] > 1e-6) & (x >= 0) & (x <= camera.width) & (y >= 0) & (y <= camera.height)
    return torch.stack([x, y], dim=1), is_in_image


def sample_image(image: Float[Tensor, "H W C"], places: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """Bilinear values at pixel coordinates."""
    size = torch.tensor([image.shape[1], image.shape[0]]).to(places)
    return bilinear(image, 2 * places / size - 1)


def _trust(caster: RayCaster, camera: CameraBatch) -> Float[Tensor, "H W"]:
    """1 inside of smooth parts of the image, next to nothing near outlines, where the depth jumps."""
    fragments = rasterize(caster, camera, supersampling=1)
    # What lies behind everything is as far again as the camera.
    depths = torch.full((camera.height * camera.width,), 2 * camera.distances[0].item()).to(fragments.depths)
    depths[fragments.rays] = fragments.depths
    depths = depths.view(1, 1, camera.height, camera.width)
    width = 2 * _OUTLINE_PIXELS + 1
    highest, lowest = (
        sign * torch.nn.functional.max_pool2d(sign * depths, width, stride=1, padding=_OUTLINE_PIXELS)
        for sign in (1, -1)
    )
    # Slopes are told from jumps by the middle: on a slope the depth lies half way between its neighbors.
    jump = (highest + lowest - 2 * depths).abs()[0, 0]
    is_outline = jump > _OUTLINE_DEPTH_SHARE * camera.distances[0]
    return torch.where(is_outline, torch.full_like(jump, _OUTLINE_WEIGHT), torch.ones_like(jump))
