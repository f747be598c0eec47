"""Finished assets in files: one way to render and to show them, whatever they are."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..export.mesh_page import mesh_model
from ..export.model_page import PageModel
from ..export.viewer_page import gaussian_model
from ..fields.field_file import FIELD_SUFFIX, read_field
from ..fields.view_rendering import render_views
from ..fields.volume import Volume
from ..gaussians.cloud import GaussianCloud
from ..gaussians.gltf import glb_holds_gaussians, read_gaussian_glb
from ..gaussians.packed_files import PACKED_SUFFIXES, read_packed
from ..gaussians.ply import holds_gaussians, read_ply
from ..gaussians.splat_file import read_splat
from ..meshing.mesh import Mesh
from ..rendering.render import render
from ..texture.mesh_files import SUFFIXES, read_mesh
from ..texture.mesh_from_field import mesh_from_field
from ..texture.mesh_rendering import lambert, paint, rasterize
from ..texture.ray_casting import RayCaster
from ..texture.textured_mesh import TexturedMesh, UvLayout

_VISIBLE_OPACITY = 0.1


class FinishedAsset(ABC):
    """Something that was made, by whatever program, and does not change any more."""

    @abstractmethod
    def render(
        self, cameras: CameraBatch, background: Float[Tensor, "B 3"]
    ) -> tuple[Float[Tensor, "B height width 3"], Float[Tensor, "B height width 1"]]:
        """Colors over a background in [0, 1], and coverage."""

    @abstractmethod
    def page_model(self) -> PageModel:
        """For a page in a browser."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """How large it is, e.g. {"gaussians": 4000}."""

    @abstractmethod
    def visible_points(self) -> Float[Tensor, "P 3"]:
        """Where it is to be seen, world units; none where nothing shows."""


@dataclass(frozen=True)
class FinishedGaussians(FinishedAsset):
    cloud: GaussianCloud

    @torch.no_grad()
    def render(self, cameras: CameraBatch, background: Tensor) -> tuple[Tensor, Tensor]:
        seen = render(self.cloud, cameras, background, self.cloud.sh_degree)
        return seen.rgb, seen.alpha

    def page_model(self) -> PageModel:
        return gaussian_model(self.cloud)

    def sizes(self) -> dict[str, int]:
        return {"gaussians": len(self.cloud)}

    def visible_points(self) -> Tensor:
        return self.cloud.means[self.cloud.opacities > _VISIBLE_OPACITY]


@dataclass(frozen=True)
class FinishedMesh(FinishedAsset):
    mesh: Mesh
    textured: TexturedMesh | None = None
    """None for a bare shape, which is rendered as lit gray."""

    @torch.no_grad()
    def render(self, cameras: CameraBatch, background: Tensor) -> tuple[Tensor, Tensor]:
        fragments = rasterize(RayCaster(self.mesh), cameras)
        if self.textured is not None:
            rgb = paint(fragments, self.textured.layout, self.textured.texture, background)
        else:
            gray = background.new_full((1, 1, 3), 0.5)
            layout = UvLayout(background.new_zeros(1, 2), torch.zeros_like(self.mesh.faces))
            # Lit from above the first camera.
            light = cameras.positions[0] + cameras.c2w[0, :3, 1] * cameras.distances[0]
            rgb = paint(fragments, layout, gray, background, lambert(fragments, self.mesh, light))
        return rgb, fragments.alphas

    def page_model(self) -> PageModel:
        return mesh_model(self.textured or self.mesh)

    def sizes(self) -> dict[str, int]:
        return {"faces": len(self.mesh.faces)}

    def visible_points(self) -> Tensor:
        return self.mesh.vertices


@dataclass(frozen=True)
class FinishedField(FinishedAsset):
    volume: Volume

    def render(self, cameras: CameraBatch, background: Tensor) -> tuple[Tensor, Tensor]:
        return render_views(self.volume, cameras, background)

    def page_model(self) -> PageModel:
        """Of its surface."""
        return mesh_model(mesh_from_field(self.volume).textured)

    def sizes(self) -> dict[str, int]:
        return {"parameters": self.volume.num_parameters}

    def visible_points(self) -> Tensor:
        return self.volume.solid_points(_VISIBLE_OPACITY)


def _mesh(path: Path) -> FinishedAsset:
    return FinishedMesh(*read_mesh(path))


def _ply(path: Path) -> FinishedAsset:
    return FinishedGaussians(read_ply(path)) if holds_gaussians(path) else _mesh(path)


def _glb(path: Path) -> FinishedAsset:
    return FinishedGaussians(read_gaussian_glb(path)) if glb_holds_gaussians(path) else _mesh(path)


def _packed(path: Path) -> FinishedAsset:
    return FinishedGaussians(read_packed(path))


def _field(path: Path) -> FinishedAsset:
    return FinishedField(read_field(path))


def _splat(path: Path) -> FinishedAsset:
    return FinishedGaussians(read_splat(path))


OPENERS: dict[str, Callable[[Path], FinishedAsset]] = {
    ".splat": _splat,
    **dict.fromkeys(PACKED_SUFFIXES, _packed),
    **dict.fromkeys(SUFFIXES, _mesh),
    ".ply": _ply,
    ".glb": _glb,
    FIELD_SUFFIX: _field,
}
"""By suffix; a new kind of file is a function and a line here."""


def open_asset(path: str | Path) -> FinishedAsset:
    """The asset in a file: Gaussians (PLY, .splat, SPZ, SOG, GLB), a field, or a mesh (GLB, OBJ, ...).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the suffix is another one, or the file is broken.
        ImportError: trimesh, for meshes, or gaussforge, for SPZ and SOG, is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        raise ValueError(f"{path} ends in '{path.suffix}'; an asset ends in {', '.join(OPENERS)}")
    return opener(path)
