"""The registered renderer of the second stage: a textured mesh, over the background of the scene."""

from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..host import Renderer, register
from ..options.option_range import OptionRange, RangeOfEach, check_choice, check_fields
from .mesh_rendering import facing, lambert, paint, rasterize
from .ray_casting import RayCaster

SHADINGS = ("none", "lambert")


@register("splatdream-mesh-renderer")
class MeshRenderer(Renderer):
    """All views of a batch. Gradients reach the texture, and under shading the vertices."""

    @dataclass
    class Config(Renderer.Config):
        supersampling: Annotated[int, OptionRange(1, 16)] = 2
        """Rays along each side of a pixel."""
        shading: str = "none"
        """"none" shows the texture as it is; "lambert" lights it."""
        light_direction: Annotated[list[float], RangeOfEach(-1000, 1000)] = field(
            default_factory=lambda: [0.6, 0.36, 0.71]
        )
        """Toward the light, world axes."""
        ambient: Annotated[float, OptionRange(0, 1)] = 0.4
        """Share of the light that comes from everywhere."""
        grazing_power: Annotated[float, OptionRange(0, 1000)] = 3.0
        """In training, gradients count by the cosine between view and surface to this power: rims of a mesh that does
        not fit the prior's object to the pixel would else take on the background. 0 counts all alike."""

    cfg: Config

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        check_fields("system.renderer", self.cfg, self.Config)
        check_choice("system.renderer.shading", self.cfg.shading, SHADINGS)
        self._caster: tuple[tuple[int, ...], RayCaster] | None = None

    def forward(self, **batch: object) -> dict[str, Tensor]:
        """Renders a threestudio batch.

        Returns:
            comp_rgb [B, H, W, 3], comp_rgb_bg [B, H, W, 3], opacity [B, H, W, 1].
        """
        cameras = CameraBatch.from_batch(batch)
        background = self.background(dirs=cameras.ray_directions)
        textured = self.geometry.textured_mesh()
        fragments = rasterize(self._rays_of(textured.mesh), cameras, self.cfg.supersampling)
        shading = None
        if self.cfg.shading == "lambert":
            light = textured.texture.new_tensor(list(self.cfg.light_direction))
            shading = lambert(fragments, textured.mesh, light, self.cfg.ambient)
        trust = None
        if self.training and self.cfg.grazing_power > 0:
            trust = facing(fragments, textured.mesh, cameras, self.cfg.grazing_power)
        rgb = paint(fragments, textured.layout, textured.texture, background, shading, trust)
        return {"comp_rgb": rgb, "comp_rgb_bg": background, "opacity": fragments.alphas}

    def _rays_of(self, mesh: object) -> RayCaster:
        """Prepared once, and again whenever vertices have moved."""
        tensors = (self.geometry.faces, self.geometry.vertices, self.geometry.vertex_offsets)
        state = tuple(number for tensor in tensors for number in (tensor.data_ptr(), tensor._version, len(tensor)))
        if self._caster is None or self._caster[0] != state:
            with torch.no_grad():
                self._caster = (state, RayCaster(mesh))
        return self._caster[1]
