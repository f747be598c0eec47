"""The registered system that makes an asset of one picture, with what a prior says of other views."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from ..cameras.picture import Picture, load_picture
from ..host import config_to_primitive, register
from ..losses.reference_view import reference_losses
from .asset_system import AssetSystem
from .run_record import Batch


@register("splatdream-image-system")
class ImageDistillationSystem(AssetSystem):
    """Distillation, and at every step the picture: from its own camera the asset must look like it."""

    @dataclass
    class Config(AssetSystem.Config):
        picture: dict = field(default_factory=dict)
        """The file and the camera that made it: `PictureConfig`; the prior is told the same, `${system.picture}`."""

    cfg: Config
    own_losses: ClassVar[tuple[str, ...]] = ("rgb", "mask")

    def configure(self) -> None:
        super().configure()
        self._picture: Picture | None = None
        self._seen: dict[int, tuple[Batch, Tensor]] = {}

    def prepare_training(self) -> None:
        self._load_picture()  # before the prior, which is slower
        super().prepare_training()

    def further_losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Of the picture, in as many pixels as the step's views."""
        side = int(batch["height"])
        if side not in self._seen:
            picture = self._load_picture()
            camera = picture.camera.resized(side, side).to(self.device)
            self._seen[side] = (camera.to_batch(), picture.resized(side).movedim(1, -1).to(self.device))
        view, picture = self._seen[side]
        rendered = self.renderer(**view)
        return reference_losses(rendered["comp_rgb"], rendered["opacity"], rendered["comp_rgb_bg"], picture)

    def _load_picture(self) -> Picture:
        """Not where a finished run is only looked at: its picture may be gone."""
        if self._picture is None:
            self._picture = load_picture(config_to_primitive(self.cfg.picture))
        return self._picture
