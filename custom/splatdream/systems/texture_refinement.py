"""The registered system of the second stage: paint a mesh in more detail, by any guidance of the project."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..host import register
from ..options.option_range import OptionRange
from ..texture.viewpoints import crop_cameras
from .asset_system import AssetSystem
from .run_record import Batch


@register("splatdream-texture-system")
class TextureRefinementSystem(AssetSystem):
    """Render the mesh, ask the prior, pull the texture. The shape stays unless system.geometry.learn_vertices is set.

    Two ways of asking: score distillation (`splatdream-guidance` and every other guidance that returns `loss_*`), and
    noising, denoising and a pixel loss (`splatdream-denoising-guidance`).
    """

    @dataclass
    class Config(AssetSystem.Config):
        prior_size: Annotated[int, OptionRange(0)] = 0
        """Side of the images that the prior sees, pixels; when data.width is larger, steps look at parts of that size.
        0 always shows whole views."""
        crop_probability: Annotated[float, OptionRange(0, 1)] = 0.5
        """Share of the steps that look at parts, where the prior is smaller than the views."""

    cfg: Config

    def configure(self) -> None:
        if self.resumed:
            # The mesh is in the checkpoint; meshing and unwrapping again would only cost time.
            self.cfg.geometry["source"] = ""
        super().configure()
        if not self.resumed and not any(self.geometry.sizes().values()):
            raise ValueError(
                "there is no mesh to paint; set system.geometry_convert_from to a checkpoint of the first stage, "
                "or system.geometry.source to a PLY of Gaussians or a mesh file"
            )
        self._before: Tensor | None = None

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.cfg.export_after_training and not self.resumed:
            # The mesh as it was baked, to compare with.
            self._export_now()
        if self._before is None:
            self._before = self._overview()
        if self.geometry.report:
            self.save_json("mesh.json", self.geometry.report)

    def training_views(self, batch: Batch, step: int) -> Batch:
        """The batch, or cameras that look at parts of its images in as many pixels as the prior sees."""
        size, cameras = self.cfg.prior_size, CameraBatch.from_batch(batch)
        if size <= 0 or size >= cameras.width:
            return batch
        generator = generator_for(self.cfg.seed, "crops", step)
        if torch.rand((), generator=generator).item() >= self.cfg.crop_probability:
            return batch
        return crop_cameras(cameras, cameras.width / size, size, generator).to_batch()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["splatdream"]["before"] = self._before

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._before = checkpoint.get("splatdream", {}).get("before")

    def on_train_end(self) -> None:
        images = torch.stack([self._before, self._overview()])
        self._record.write_table("before-after.png", images, ["before", "after"])
        super().on_train_end()

    def _overview(self) -> Tensor:
        """[8, size, size, 3] the mesh from eight sides, the way the test views see it."""
        view = next(iter(self.trainer.datamodule.val_dataloader()))
        was_training = self.training
        self.eval()  # no random backgrounds
        views = self._record.look_round(view | {"c2w": view["c2w"].to(self.device)}, [float(view["elevation"][0])])
        self.train(was_training)
        return views
