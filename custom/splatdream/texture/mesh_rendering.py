"""Images of a textured mesh, differentiable in the texture, and in the vertices through shading.

Textures, renders and images hold sRGB-coded colors, as PNG files and screens do; light adds up in linear colors.

B cameras, S = supersampling, R rays, N rays that hit.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..meshing.mesh import Mesh
from .ray_casting import RayCaster
from .textured_mesh import UvLayout, sample_texture


@dataclass(frozen=True)
class Fragments:
    """What the rays of B images hit; S x S rays a pixel."""

    rays: Int[Tensor, "N"]
    """Index into the flattened [B, height S, width S]."""
    face_ids: Int[Tensor, "N"]
    barycentrics: Float[Tensor, "N 3"]
    depths: Float[Tensor, "N"]
    """Distance from the camera, world units."""
    num_cameras: int
    height: int
    width: int
    supersampling: int

    def at_hits(self, corner_values: Float[Tensor, "F 3 C"]) -> Float[Tensor, "N C"]:
        """Values given at the corners of every face, interpolated at the hits; differentiable."""
        return (corner_values[self.face_ids] * self.barycentrics[..., None]).sum(1)

    def image(self, values: Float[Tensor, "N C"]) -> Float[Tensor, "B height width C"]:
        """Pixels as means of their rays; rays that miss count as zero."""
        s = self.supersampling
        rays = values.new_zeros(self.num_cameras * self.height * self.width * s * s, values.shape[1])
        rays = rays.index_copy(0, self.rays, values)
        return rays.view(self.num_cameras, self.height, s, self.width, s, -1).mean(dim=(2, 4))

    @property
    def alphas(self) -> Float[Tensor, "B height width 1"]:
        """Share of each pixel's rays that hit."""
        return self.image(self.barycentrics.new_ones(len(self.rays), 1))


def rasterize(caster: RayCaster, cameras: CameraBatch, supersampling: int = 2) -> Fragments:
    """What the cameras see, through a regular grid of S x S rays in each pixel.

    Raises:
        ValueError: supersampling is below 1.
    """
    if supersampling < 1:
        raise ValueError(f"supersampling must be at least 1, got {supersampling}")
    fine = cameras.resized(cameras.width * supersampling, cameras.height * supersampling)
    directions = fine.ray_directions
    origins = fine.positions[:, None, None].expand_as(directions)
    hits = caster.cast(origins.reshape(-1, 3), directions.reshape(-1, 3))
    rays = torch.nonzero(hits.is_hit)[:, 0]
    return Fragments(
        rays=rays,
        face_ids=hits.face_ids[rays],
        barycentrics=hits.barycentrics[rays],
        depths=hits.distances[rays],
        num_cameras=len(cameras),
        height=cameras.height,
        width=cameras.width,
        supersampling=supersampling,
    )


def paint(
    fragments: Fragments,
    layout: UvLayout,
    texture: Float[Tensor, "H W 3"],
    background: Float[Tensor, "B 3"] | Float[Tensor, "B height width 3"],
    shading: Float[Tensor, "N 1"] | None = None,
    trust: Float[Tensor, "N 1"] | None = None,
) -> Float[Tensor, "B height width 3"]:
    """sRGB-coded images: the texture where a ray hits, the background elsewhere.

    Args:
        background: sRGB-coded color behind each image, or behind each pixel.
        shading: factor of the linear color at each hit (`lambert`); None shows the texture as it is.
        trust: factor of the gradient that each hit passes on to the texture (`facing`); the image is the same.
    """
    colors = sample_texture(texture, fragments.at_hits(layout.corners))
    if trust is not None:
        colors = trust * colors + (1 - trust) * colors.detach()
    if shading is not None:
        colors = linear_to_srgb(shading * srgb_to_linear(colors))
    behind = background if background.ndim == 4 else background[:, None, None, :]
    return fragments.image(colors) + (1 - fragments.alphas) * behind


def lambert(fragments: Fragments, mesh: Mesh, light: Float[Tensor, "3"], ambient: float = 0.4) -> Float[Tensor, "N 1"]:
    """ambient + (1 - ambient) max(cosine to the light, 0), with smooth normals; differentiable in the vertices.

    Args:
        light: direction toward the light, world axes, any length but zero.
    """
    normals = torch.nn.functional.normalize(fragments.at_hits(mesh.vertex_normals[mesh.faces]), dim=-1)
    cosines = normals @ torch.nn.functional.normalize(light, dim=0)
    return (ambient + (1 - ambient) * cosines.clamp(min=0))[:, None]


def facing(fragments: Fragments, mesh: Mesh, cameras: CameraBatch, power: float) -> Float[Tensor, "N 1"]:
    """cosine^power between the surface and the view at each hit: 1 where a camera looks straight at it, 0 at outlines.

    Where mesh and prior do not agree to the pixel, outlines of the one are background of the other; without this factor
    the background's color creeps in from the rims.
    """
    fine = cameras.resized(cameras.width * fragments.supersampling, cameras.height * fragments.supersampling)
    directions = fine.ray_directions.reshape(-1, 3)[fragments.rays]
    cosines = (directions * mesh.face_normals[fragments.face_ids]).sum(1, keepdim=True).abs()
    return cosines.detach() ** power


def srgb_to_linear(coded: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Linear colors of sRGB-coded ones, both in [0, 1] (IEC 61966-2-1)."""
    return torch.where(coded <= 0.04045, coded / 12.92, ((coded.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The inverse of `srgb_to_linear`."""
    small = 0.0031308
    return torch.where(linear <= small, 12.92 * linear, 1.055 * linear.clamp(min=small) ** (1 / 2.4) - 0.055)
