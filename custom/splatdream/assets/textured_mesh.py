"""A textured mesh as an asset, painted in the second stage.

V vertices, F faces, T places in the texture.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from ..export.mesh_page import mesh_model
from ..export.model_page import PageModel
from ..fields.field_file import FIELD_SUFFIX, read_field
from ..fields.volume import Volume
from ..gaussians.cloud import GaussianCloud
from ..gaussians.ply import holds_gaussians, read_ply
from ..host import BaseGeometry, C, info, register
from ..losses.regularizers import total_variation_in_charts
from ..meshing.decimation import decimate
from ..meshing.extraction import ExtractionOptions
from ..meshing.mesh import Mesh
from ..options.option_range import OptionRange, check_fields
from ..texture.finishing import finished
from ..texture.mesh_files import glb_bytes, read_mesh
from ..texture.mesh_from_cloud import BakingOptions, MeshingResult, gray_mesh, mesh_from_cloud
from ..texture.mesh_from_field import mesh_from_field
from ..texture.texels import map_texels
from ..texture.textured_mesh import Material, TexturedMesh, UvLayout
from .base import SCENE_NAME, Asset, Regularizer

_TENSORS = ("vertices", "vertex_offsets", "faces", "uvs", "uv_faces", "texture")


@register("splatdream-textured-mesh")
class TexturedMeshGeometry(Asset):
    """A textured mesh under optimization. All of it is in the checkpoint: resuming meshes and unwraps nothing again."""

    @dataclass
    class Config(BaseGeometry.Config):
        source: str = ""
        """A PLY of Gaussians, a field (.safetensors), or a mesh (GLB, OBJ, PLY, ...); not needed with
        system.geometry_convert_from."""
        resolution: Annotated[int, OptionRange(8, 1024)] = 128
        """Grid points along the longest side of the object, where Gaussians are meshed."""
        threshold: Annotated[float | None, OptionRange(1e-6)] = None
        """Density of the surface, of a field the opacity of a sample; none chooses the one whose silhouettes match."""
        smoothing_iterations: Annotated[int, OptionRange(0)] = 5
        """Pairs of Taubin steps."""
        target_faces: Annotated[int, OptionRange(0)] = 20_000
        """Faces after decimation."""
        texture_size: Annotated[int, OptionRange(8, 16384)] = 1024
        """Pixels along a side of the texture; a mesh file with a texture keeps its own."""
        padding: Annotated[int, OptionRange(0, 1024)] = 4
        """Texels between charts."""
        num_bake_views: Annotated[int, OptionRange(1)] = 32
        """Views that Gaussians are photographed from."""
        bake_view_size: Annotated[int, OptionRange(8, 16384)] = 512
        """Width and height of those views, pixels."""
        roughness: Annotated[float, OptionRange(0, 1)] = 1.0
        """Of the exported material: 0 a mirror, 1 chalk."""
        metallic: Annotated[float, OptionRange(0, 1)] = 0.0
        """Of the exported material: 0 a dielectric, 1 a metal."""
        is_unlit: bool = True
        """Exported files tell viewers to show the colors as they are: distilled colors carry their own shading."""
        texture_lr: Annotated[Any, OptionRange(0, 10)] = 0.01
        """Color in [0, 1] a step; a number or [start_step, start, end, end_step]. DreamGaussian's 0.2 blows colors."""
        learn_vertices: bool = False
        """Also move vertices; only shading (system.renderer.shading) carries a gradient to them."""
        vertex_lr: Annotated[Any, OptionRange(0, 10)] = 1e-4
        """World units a step."""

    cfg: Config
    drawn_as = "the mesh with its texture"

    def configure(self) -> None:
        check_fields("system.geometry", self.cfg, self.Config)
        self.report: dict[str, object] = {}
        self._set(_nothing() if not self.cfg.source else self._from_file(Path(self.cfg.source)))

    def textured_mesh(self) -> TexturedMesh:
        """The parameters as a textured mesh; gradients flow to them."""
        layout = UvLayout(self.uvs, self.uv_faces)
        return TexturedMesh(
            Mesh(self.vertices + self.vertex_offsets, self.faces), layout, self.texture, self._material()
        )

    def params(self) -> dict[str, nn.Parameter]:
        learned = {"texture": self.texture}
        return learned | {"vertex_offsets": self.vertex_offsets} if self.cfg.learn_vertices else learned

    def learning_rates(self, epoch: int, step: int) -> dict[str, float]:
        rates = {"texture": self.cfg.texture_lr, "vertex_offsets": self.cfg.vertex_lr}
        return {name: C(rates[name], epoch, step) for name in self.params()}

    def sizes(self) -> dict[str, int]:
        return {"faces": len(self.faces)}

    def regularizers(self) -> Mapping[str, Regularizer]:
        return {"tv": lambda rendered: total_variation_in_charts(self.texture, self._covered())}

    @torch.no_grad()
    def after_step(self) -> None:
        # Outside of what a file can hold there are no colors, only momentum.
        self.texture.clamp_(0, 1)

    def page_model(self) -> PageModel:
        """As exporters write it."""
        return mesh_model(finished(self.textured_mesh().to("cpu")))

    @torch.no_grad()
    def draw(self, scene: Any) -> None:
        # From the file's axes, y up and the front toward z, to the world's: a third of a turn about (1, 1, 1).
        scene.add_glb(SCENE_NAME, glb_bytes(self.textured_mesh()), wxyz=(0.5, 0.5, 0.5, 0.5))

    def export(self, **kwargs: object) -> dict[str, Tensor]:
        """The tensors by name, without gradient."""
        return {name: getattr(self, name).detach() for name in _TENSORS}

    @staticmethod
    def create_from(other: object, cfg: object = None, copy_net: bool = True, **kwargs: object) -> BaseGeometry:
        """A textured mesh of another geometry's Gaussians, of its field, or of another textured mesh.

        Raises:
            TypeError: the other geometry is none of these.
        """
        instance = TexturedMeshGeometry(cfg)
        if hasattr(other, "textured_mesh"):
            instance._set(other.textured_mesh())
        elif hasattr(other, "cloud"):
            instance._set(instance._from_cloud(other.cloud().detach()))
        elif hasattr(other, "volume"):
            instance._set(instance._from_volume(other.volume))
        else:
            raise TypeError(f"cannot mesh {type(other).__name__}: it has no cloud(), textured_mesh() or volume")
        return instance

    def _from_file(self, path: Path) -> TexturedMesh:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}; set system.geometry.source to a PLY or a mesh")
        if path.suffix.lower() == ".ply" and holds_gaussians(path):
            return self._from_cloud(read_ply(path))
        if path.suffix.lower() == FIELD_SUFFIX:
            return self._from_volume(read_field(path))
        mesh, textured = read_mesh(path)
        if textured is not None:
            return textured
        return self._reported(gray_mesh(decimate(mesh, self.cfg.target_faces), self._baking(), self._material()))

    def _from_cloud(self, cloud: GaussianCloud) -> TexturedMesh:
        info(f"meshing {len(cloud)} Gaussians")
        return self._reported(mesh_from_cloud(cloud, self._extraction(), self._baking(), self._material()))

    def _from_volume(self, volume: Volume) -> TexturedMesh:
        info("meshing a field")
        return self._reported(mesh_from_field(volume, self._extraction(), self._baking(), self._material()))

    def _reported(self, result: MeshingResult) -> TexturedMesh:
        self.report = result.report
        return result.textured

    def _extraction(self) -> ExtractionOptions:
        return ExtractionOptions(
            resolution=self.cfg.resolution,
            threshold=self.cfg.threshold,
            smoothing_iterations=self.cfg.smoothing_iterations,
            target_faces=self.cfg.target_faces,
        )

    def _baking(self) -> BakingOptions:
        return BakingOptions(
            texture_size=self.cfg.texture_size,
            padding=self.cfg.padding,
            num_views=self.cfg.num_bake_views,
            view_size=self.cfg.bake_view_size,
        )

    def _material(self) -> Material:
        return Material(self.cfg.roughness, self.cfg.metallic, self.cfg.is_unlit)

    @torch.no_grad()
    def _covered(self) -> Bool[Tensor, "H W"]:
        """Texels that belong to a chart; found once."""
        if self._charts is None:
            height, width = self.texture.shape[:2]
            self._charts = map_texels(UvLayout(self.uvs, self.uv_faces), height, width).covered()
        return self._charts

    def _set(self, textured: TexturedMesh) -> None:
        self._charts: Bool[Tensor, "H W"] | None = None
        mesh, layout = textured.mesh, textured.layout
        buffers = {"vertices": mesh.vertices, "faces": mesh.faces, "uvs": layout.uvs, "uv_faces": layout.uv_faces}
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor.detach().clone())
        self.texture = nn.Parameter(textured.texture.detach().clone())
        self.vertex_offsets = nn.Parameter(torch.zeros_like(self.vertices), requires_grad=self.cfg.learn_vertices)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors) -> None:
        """Take the sizes that the checkpoint has; everything else is as strict as usual."""
        self._charts = None
        for name in _TENSORS:
            loaded, own = state_dict.get(prefix + name), getattr(self, name)
            if loaded is None or loaded.shape == own.shape:
                continue
            empty = own.new_empty(loaded.shape)
            if isinstance(own, nn.Parameter):
                setattr(self, name, nn.Parameter(empty, requires_grad=own.requires_grad))
            else:
                self.register_buffer(name, empty)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)


def _nothing() -> TexturedMesh:
    """No faces: what stands here until a checkpoint or another geometry is taken over."""
    no_faces = torch.zeros(0, 3, dtype=torch.long)
    return TexturedMesh(Mesh(torch.zeros(0, 3), no_faces), UvLayout(torch.zeros(0, 2), no_faces), torch.zeros(1, 1, 3))
