"""The registered system that fits an asset to images with cameras: photographs, renders, generated views."""

from typing import Any

import torch
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.pixel_size import pixel_size
from ..cameras.random_streams import generator_for
from ..evaluation.image_metrics import psnr, ssim
from ..export.contact_sheet import contact_sheet
from ..guidance.photographs import ViewSource, in_front_of
from ..host import info, register
from ..photographs.posed_images import PosedImages, over
from ..storage.images import write_png
from .asset_system import AssetSystem
from .run_record import Batch

_SHOWN = 4


@register("splatdream-fit-system")
class FitSystem(AssetSystem):
    """Render the views of some images, compare, pull the asset.

    The data module says how many views a step has, and from where the result is looked at; the guidance brings images.
    """

    def prepare_training(self) -> None:
        super().prepare_training()
        self._source()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = super().configure_optimizers()
        with self._timer.stage("views"):  # drawing them can take longer than all of the steps
            self._views = self._source().photographs()
        images = self._views.training
        self._cameras = images.cameras.to(self.device)
        self._rgba, self._grounds = images.rgba.to(self.device), images.grounds.to(self.device)
        self.geometry.set_view_pixel(_pixel_of(images.cameras))
        return optimizer

    def training_views(self, batch: Batch, step: int) -> dict[str, Any]:
        """As many images as the batch has views: all of them in a random order, and then in another."""
        num_views, count = len(batch["c2w"]), len(self._rgba)
        places = range(step * num_views, (step + 1) * num_views)
        orders = {round_: _order(self.cfg.seed, round_, count) for round_ in {place // count for place in places}}
        rows = [orders[place // count][place % count] for place in places]
        return self._cameras[rows].to_batch() | {
            "images": self._rgba[rows].float() / 255,
            "grounds": self._grounds[rows],
        }

    def on_train_end(self) -> None:
        was_training = self.training
        self.eval()  # no random backgrounds
        measured = {"views": self._measured(self._views.training)}
        if self._views.held_out is not None:
            measured["held_out"] = self._measured(self._views.held_out, "held-out.png")
        self.train(was_training)
        self._record.write_manifest(photographs=measured)
        for name, numbers in measured.items():
            info(f"{name.replace('_', ' ')}: {numbers['psnr']:.2f} dB PSNR, {numbers['ssim']:.4f} SSIM")
        super().on_train_end()

    def _source(self) -> ViewSource:
        guidance = self.driver.guidance
        if not isinstance(guidance, ViewSource):
            raise ValueError(
                f"system.guidance_type {self.cfg.guidance_type} brings no images to fit; take "
                "splatdream-photographs-guidance or splatdream-sampled-views-guidance"
            )
        return guidance

    @torch.no_grad()
    def _measured(self, images: PosedImages, picture: str = "") -> dict[str, float]:
        """Means over the images, each over the background of the scene, or over its own ground."""
        pairs = [self._pair(images[[row]]) for row in range(len(images))]
        seen, true = (torch.cat(side) for side in zip(*pairs, strict=True))
        if picture:
            columns = [name.rpartition("/")[2] for name in images.names[:_SHOWN]]
            sheet = contact_sheet(torch.stack([true[:_SHOWN], seen[:_SHOWN]]), ["image", "fit"], columns)
            write_png(self.get_save_path(picture), sheet)
        return {"num": len(images), "psnr": float(psnr(seen, true).mean()), "ssim": float(ssim(seen, true).mean())}

    def _pair(self, image: PosedImages) -> tuple[Tensor, Tensor]:
        """[1, H, W, 3] the render, and what it should be."""
        rendered = self.renderer(**image.cameras.to(self.device).to_batch())
        background = rendered["comp_rgb_bg"].mean(dim=(1, 2))
        grounds = image.grounds.to(background)
        seen = in_front_of(grounds, rendered["comp_rgb"], rendered["opacity"], background).clamp(0, 1)
        return seen.cpu(), over(image.straight(), background.cpu())


def _order(seed: int, round_: int, count: int) -> list[int]:
    return torch.randperm(count, generator=generator_for(seed, "photographs", round_)).tolist()


def _pixel_of(cameras: CameraBatch) -> float:
    """World units a pixel at the origin, of the middle one of the cameras."""
    fovy_deg = torch.rad2deg(cameras.fovy_rad).median()
    return pixel_size(float(cameras.distances.median()), float(fovy_deg), cameras.height)
