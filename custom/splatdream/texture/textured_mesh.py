"""TexturedMesh: a mesh, its places in the texture, the texture and the material.

F faces, T places in the texture (a vertex on a chart's border has several), W pairs of a vertex and one of its places.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..meshing.mesh import Mesh


@dataclass(frozen=True)
class Material:
    """The metallic-roughness material of glTF 2.0, apart from its texture."""

    roughness: float = 1.0
    """0 a mirror, 1 chalk. Distilled colors carry their own shading, so highlights on top of it are off by default."""
    metallic: float = 0.0
    """0 a dielectric, 1 a metal."""
    is_unlit: bool = False
    """True: viewers show the texture as it is, without any light (KHR_materials_unlit)."""

    def __post_init__(self) -> None:
        for name in ("roughness", "metallic"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"material {name} must be between 0 and 1, got {value}")


@dataclass(frozen=True)
class UvLayout:
    """Where each face lies in the texture."""

    uvs: Float[Tensor, "T 2"]
    """(0, 0) is the bottom left corner of the texture, (1, 1) the top right one, as in OBJ files."""
    uv_faces: Int[Tensor, "F 3"]
    """Rows of `uvs`, corner by corner as `Mesh.faces`."""

    @property
    def corners(self) -> Float[Tensor, "F 3 2"]:
        return self.uvs[self.uv_faces]

    def to(self, device: torch.device | str) -> "UvLayout":
        return UvLayout(self.uvs.to(device), self.uv_faces.to(device))


@dataclass(frozen=True)
class TexturedMesh:
    mesh: Mesh
    layout: UvLayout
    texture: Float[Tensor, "H W 3"]
    """sRGB-coded base color in [0, 1]; row 0 is the top."""
    material: Material = field(default_factory=Material)

    def with_texture(self, texture: Float[Tensor, "H W 3"]) -> "TexturedMesh":
        return replace(self, texture=texture)

    def to(self, device: torch.device | str) -> "TexturedMesh":
        return replace(self, mesh=self.mesh.to(device), layout=self.layout.to(device), texture=self.texture.to(device))


def joint_corners(textured: TexturedMesh) -> tuple[Int[Tensor, "W 2"], Int[Tensor, "F 3"]]:
    """For files with one index a corner: the (vertex, place) pairs that occur, and the faces as rows of them."""
    pairs = torch.stack([textured.mesh.faces, textured.layout.uv_faces], dim=-1).reshape(-1, 2)
    pairs, which = torch.unique(pairs, dim=0, return_inverse=True)
    return pairs, which.reshape(-1, 3)


def sample_texture(texture: Float[Tensor, "H W C"], uvs: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """Bilinear colors at places in the texture; beyond its border the border's. Differentiable in both."""
    return bilinear(texture, torch.stack([2 * uvs[:, 0] - 1, 1 - 2 * uvs[:, 1]], dim=1))


def bilinear(image: Float[Tensor, "H W C"], places: Float[Tensor, "N 2"]) -> Float[Tensor, "N C"]:
    """Values at places that count from -1 to 1 between the image's borders, y downward."""
    sampled = torch.nn.functional.grid_sample(
        image.movedim(-1, 0)[None], places[None, None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled[0, :, 0].T
