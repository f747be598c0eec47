"""The registered renderer: the geometry's cloud through one rasterizer call, over the background of the scene."""

from dataclasses import dataclass

from torch import Tensor

from ..cameras.batch import CameraBatch
from ..host import Renderer, register
from ..options.plain_config import plain_config
from .backends import check_backend
from .render import render


@register("splatdream-rasterizer")
class GaussianRasterizer(Renderer):
    """All views of a batch at once. Its output has threestudio's keys, and what densification needs."""

    @dataclass
    class Config(Renderer.Config):
        backend: str = "auto"
        """"auto" (gsplat for CUDA tensors, cpu otherwise), "cpu", "gsplat" or "reference"."""
        rasterize_mode: str = "antialiased"
        """"antialiased": Gaussians smaller than a pixel grow fainter where they are drawn larger, and look alike
        at every resolution; "classic" widens them as 3DGS does."""

    cfg: Config

    def configure(self, *args: object, **kwargs: object) -> None:
        super().configure(*args, **kwargs)
        self.cfg = plain_config(self.cfg)
        check_backend(self.cfg.backend)

    def forward(self, **batch: object) -> dict[str, Tensor]:
        """Renders a threestudio batch.

        Returns:
            comp_rgb [B, H, W, 3], comp_rgb_bg [B, H, W, 3], opacity [B, H, W, 1], comp_depth [B, H, W, 1] (world units,
            0 where nothing is seen), means2d [B, N, 2] (pixels, see `RenderOutput`) and radii [B, N, 2] (pixels).
        """
        cameras = CameraBatch.from_batch(batch)
        directions = batch.get("rays_d")
        background = self.background(dirs=cameras.ray_directions if directions is None else directions)
        cloud, degree = self.geometry.cloud(), self.geometry.active_sh_degree
        output = render(
            cloud,
            cameras,
            background,
            degree,
            self.cfg.backend,
            self.cfg.rasterize_mode,
            absgrad=self.geometry.reads_absgrad,
        )
        return {
            "comp_rgb": output.rgb,
            "comp_rgb_bg": background,
            "opacity": output.alpha,
            "comp_depth": output.depth,
            "means2d": output.means2d,
            "radii": output.radii,
        }
