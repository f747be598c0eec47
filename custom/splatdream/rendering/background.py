"""The registered background: one color behind each view.

B views.
"""

from dataclasses import dataclass, field
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.random_streams import generator_for
from ..host import BaseBackground, register
from ..options.option_range import OptionRange, RangeOfEach, check_fields
from ..options.plain_config import plain_config
from ..storage.device_copies import sent


@register("splatdream-background")
class PlainBackground(BaseBackground):
    """A fixed color, or in training now and then a random one, so that Gaussians cannot hide as background."""

    @dataclass
    class Config(BaseBackground.Config):
        color: Annotated[list[float], RangeOfEach(0, 1)] = field(default_factory=lambda: [1.0, 1.0, 1.0])
        """Red, green and blue in [0, 1]."""
        random_probability: Annotated[float, OptionRange(0, 1)] = 0.0
        """Probability that a view in training, or a group of them, gets a random color instead."""
        views_per_group: Annotated[int, OptionRange(1)] = 1
        """Consecutive views that share their color, `${data.views_per_group}`: those that a multi-view prior looks at
        together were rendered over one background in its training."""
        seed: int = 0
        """Seed of the random colors; `${seed}` in a YAML."""

    cfg: Config

    def configure(self) -> None:
        check_fields("system.background", self.cfg, self.Config)
        self.cfg = plain_config(self.cfg)
        self._step = 0
        self.register_buffer("_color", torch.tensor(list(self.cfg.color)), persistent=False)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        self._step = global_step

    def forward(self, dirs: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W 3"]:
        """The color behind every pixel; the same all over one view."""
        colors = self._color.to(dirs).expand(len(dirs), 3)
        if self.training and self.cfg.random_probability > 0:
            generator = generator_for(self.cfg.seed, "background", self._step)
            groups, rest = divmod(len(dirs), self.cfg.views_per_group)
            if rest:
                raise ValueError(
                    f"{len(dirs)} views do not divide into groups of background.views_per_group "
                    f"{self.cfg.views_per_group}; set it to ${{data.views_per_group}}"
                )
            is_random = torch.rand(groups, 1, generator=generator) < self.cfg.random_probability
            random_colors = torch.rand(groups, 3, generator=generator)
            is_random, random_colors = (
                values.repeat_interleave(self.cfg.views_per_group, dim=0) for values in (is_random, random_colors)
            )
            colors = torch.where(sent(is_random, dirs.device), sent(random_colors, dirs.device, dirs.dtype), colors)
        return colors[:, None, None, :].expand_as(dirs)
