"""The registered renderer of fields: every pixel a ray, over the background of the scene."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..fields.lighting import draw_lights
from ..fields.ray_samples import RaySamples
from ..fields.view_rendering import ColorChange, axis_cosines, gather, gather_colors, rays_of
from ..host import Renderer, register


@register("splatdream-field-renderer")
class FieldRenderer(Renderer):
    """All views of a batch at once. Its output has threestudio's keys, and what regularizers of fields read."""

    @dataclass
    class Config(Renderer.Config):
        seed: int = 0
        """Of the places of samples in training, and of lights; `${seed}` in a YAML."""
        lit_share: float = 0.0
        """Of the steps that show the field under a point light; pictures and exports show its own colors."""
        textureless_share: float = 0.5
        """Of the lit steps that show it in white."""
        lit_from: int = 0
        """Step before which no light is used."""

    cfg: Config

    def configure(self, *parts: object, **named_parts: object) -> None:
        super().configure(*parts, **named_parts)
        self._step = 0

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        self._step = global_step

    def forward(self, **batch: object) -> dict[str, Tensor]:
        """Renders a threestudio batch.

        Returns:
            comp_rgb [B, H, W, 3], comp_rgb_bg [B, H, W, 3], opacity [B, H, W, 1], and where gradients are wanted
            comp_depth [B, H, W, 1] (world units, 0 where nothing is seen), and of the samples weights [S], points
            [S, 3] and directions [S, 3] from the camera.
        """
        cameras = CameraBatch.from_batch(batch)
        background = self.background(dirs=cameras.ray_directions)
        rays, shape = rays_of(cameras), (len(cameras), cameras.height, cameras.width, -1)
        if not torch.is_grad_enabled():
            premultiplied, opacities = gather_colors(self.geometry.volume, rays)
            return _images(premultiplied.view(shape), opacities.view(shape), background)
        jitter = None
        if self.training:
            generator = generator_for(self.cfg.seed, "samples", self._step)
            jitter = torch.rand(len(rays), generator=generator).to(rays.origins)
        gathered = gather(self.geometry.volume, rays, jitter, self._lighting(cameras))
        return {
            **_images(gathered.premultiplied.view(shape), gathered.opacities.view(shape), background),
            "comp_depth": gathered.distances.view(shape) * axis_cosines(cameras),
            "weights": gathered.weights,
            "points": gathered.points,
            "directions": rays.directions[gathered.samples.ray_indices],
        }

    def _lighting(self, cameras: CameraBatch) -> ColorChange | None:
        if not self.training or self._step < self.cfg.lit_from:
            return None
        generator = generator_for(self.cfg.seed, "lights", self._step)
        lights = draw_lights(cameras.positions, self.cfg.lit_share, self.cfg.textureless_share, generator)
        if lights is None:
            return None
        rays_per_view = cameras.height * cameras.width

        def lit(points: Tensor, colors: Tensor, samples: RaySamples) -> Tensor:
            positions = lights.positions[samples.ray_indices // rays_per_view]
            return lights.on(colors, points, self.geometry.normals(points), positions)

        return lit


def _images(premultiplied: Tensor, opacity: Tensor, background: Tensor) -> dict[str, Tensor]:
    return {
        "comp_rgb": premultiplied + (1 - opacity) * background,
        "comp_rgb_bg": background,
        "opacity": opacity,
    }
