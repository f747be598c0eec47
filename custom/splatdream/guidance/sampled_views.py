"""The registered guidance that asks its prior once, for whole images, and then has an asset fitted to them.

The other half of today's practice: a multi-view model draws views, and Gaussians are fitted, instead of distilled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch, orbit_cameras
from ..host import register
from ..options.option_range import OptionRange, RangeOfEach
from ..photographs.folder import PhotographSet
from ..photographs.posed_images import PosedImages
from ..prompts.view_prompts import ViewPrompts
from .base import PriorGuidance
from .photographs import photometric_losses
from .view_sampling import SamplingOptions, sample_views

_DISTANCE, _FOVY_DEG = 2.5, 49.1
"""Of the cameras, world units and degrees: those of our configurations."""


def sampling_cameras(num_views: int, per_group: int, elevations_deg: list[float], size: int) -> CameraBatch:
    """Groups of views evenly round the object; each group has the next elevation and is turned into the gaps.

    Raises:
        ValueError: the views do not divide into groups.
    """
    if num_views % per_group:
        raise ValueError(f"{num_views} views do not divide into groups of {per_group}, which this prior draws at once")
    view = torch.arange(num_views)
    group = view // per_group
    azimuth = 360.0 / per_group * (view % per_group) + 360.0 / num_views * group
    elevation = torch.tensor(elevations_deg)[group % len(elevations_deg)]
    return orbit_cameras(elevation, azimuth, _DISTANCE, _FOVY_DEG, size, size)


def named_views(rgb: Float[Tensor, "B H W 3"], cameras: CameraBatch) -> PosedImages:
    """Drawn images as files keep them, 8 bits a channel."""
    opaque = torch.cat([rgb, torch.ones_like(rgb[..., :1])], dim=-1).cpu()
    names = tuple(f"images/{place:03d}.png" for place in range(len(rgb)))
    height, width = rgb.shape[1:3]
    return PosedImages((255 * opaque).round().to(torch.uint8), cameras.resized(width, height), names)


@register("splatdream-sampled-views-guidance")
class SampledViewsGuidance(PriorGuidance):
    """Draws views of the prompt before the first step; its evaluations count as those of any other guidance."""

    @dataclass
    class Config(PriorGuidance.Config):
        num_views: Annotated[int, OptionRange(2, 1000)] = 4
        """Views that are drawn: a multiple of the prior's views_per_group."""
        elevations_deg: Annotated[list[float], RangeOfEach(-90, 90)] = field(default_factory=lambda: [15.0])
        """Of one group of views after the other, in turn."""
        num_steps: Annotated[int, OptionRange(1, 1000)] = 50
        """Steps from noise to images."""
        guidance_scale: Annotated[float, OptionRange(0, remedy="1 is no guidance")] = 3.0
        """s in unconditional + s (conditional - unconditional); 1 is no guidance."""
        guidance_rescale: Annotated[float, OptionRange(0, 1)] = 0.0
        """Share of the spread of the guided prediction that is brought back to that of the conditional one."""

    cfg: Config
    reads_surface = True

    def configure(self) -> None:
        super().configure()
        self._cameras = sampling_cameras(
            self.cfg.num_views, self._prior.views_per_group, list(self.cfg.elevations_deg), size=64
        )
        self._drawn: PosedImages | None = None
        self._evaluations = 0

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        """Nothing here follows the step."""

    def prompts(self, processor: Callable[[], object]) -> ViewPrompts:
        self._prompts = super().prompts(processor)
        return self._prompts

    def photographs(self) -> PhotographSet:
        """The views; drawn when they are first asked for, unless a checkpoint brought them."""
        if self._drawn is None:
            options = SamplingOptions(**{item.name: getattr(self.cfg, item.name) for item in fields(SamplingOptions)})
            rgb, self._evaluations = sample_views(
                self._prior, self._prompts, self._cameras, torch.ones(len(self._cameras), 3), options, self.cfg.seed
            )
            self._drawn = named_views(rgb, self._cameras)
        return PhotographSet(self._drawn, None, torch.eye(3), torch.zeros(3), 1.0)

    def state_dict(self) -> dict[str, object]:
        return {"rgba": self.photographs().training.rgba}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        height, width = state["rgba"].shape[1:3]
        names = tuple(f"images/{place:03d}.png" for place in range(len(state["rgba"])))
        self._drawn = PosedImages(state["rgba"].cpu(), self._cameras.resized(width, height), names)

    def __call__(
        self,
        rgb: Float[Tensor, "B H W 3"],
        prompt_utils: object,
        images: Float[Tensor, "B H W 4"],
        grounds: Float[Tensor, "B 3"],
        background_color: Float[Tensor, "B 3"],
        opacity: Float[Tensor, "B H W 1"],
        **batch: object,
    ) -> dict[str, Tensor | int]:
        """See `photometric_losses`; what the views cost is told once."""
        cost, self._evaluations = self._evaluations, 0
        losses = photometric_losses(rgb, images, grounds, background_color, opacity)
        return losses | {"denoiser_evaluations": cost}
