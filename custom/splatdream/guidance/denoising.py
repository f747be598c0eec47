"""The registered guidance that paints over: each render is noised and denoised, and pulled to what came out."""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..host import C, register
from ..options.option_range import OptionRange
from .base import PriorGuidance
from .denoised_target import denoise, denoising_levels
from .step import StepSettings


@register("splatdream-denoising-guidance")
class DenoisingGuidance(PriorGuidance):
    """`guidance(rgb, prompt_utils, **batch)` -> {"loss_denoise": pixel MSE, and numbers to log}.

    DreamGaussian's texture refinement (arXiv:2309.16653, sec. 3.4) behind threestudio's guidance protocol.
    """

    @dataclass
    class Config(PriorGuidance.Config):
        guidance_scale: Annotated[float, OptionRange(0, remedy="1 is no guidance")] = 1.0
        """s in unconditional + s (conditional - unconditional); 1 is no guidance."""
        strength: Annotated[Any, OptionRange(0.001, 1, remedy="the default is 0.8")] = 0.8
        """Timestep that renders are noised to, as a fraction of the schedule; a number or a schedule."""
        num_steps: Annotated[int, OptionRange(1, remedy="the default is 20")] = 20
        """Denoising steps from there."""

    cfg: Config

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        self._step = global_step
        self._strength = C(self.cfg.strength, epoch, global_step)

    def __call__(
        self,
        rgb: Float[Tensor, "B H W 3"],
        prompt_utils: object,
        background_color: Float[Tensor, "B 3"] | None = None,
        **batch: object,
    ) -> dict[str, Tensor | float]:
        """The mean square between renders and their denoised versions, at the size that the prior decodes to.

        See `_guided_step` for the other arguments.

        Args:
            rgb: images in [0, 1].
        """
        with torch.no_grad():
            latents = self._prior.encode_images(rgb)
            settings = StepSettings(guidance_scale=self.cfg.guidance_scale, seed=self.cfg.seed)
            step = self._guided_step(latents, prompt_utils, background_color, batch, self._step, settings)
            start = max(1, round(self._strength * (len(self._prior.schedule) - 1)))
            levels = denoising_levels(start, self.cfg.num_steps)
            target = self._prior.decode_latents(denoise(step.denoiser(), latents, step.noise(), levels))
        render = rgb.movedim(-1, 1)
        if target.shape[1:3] != rgb.shape[1:3]:
            is_smaller = target.shape[1] <= rgb.shape[1]
            mode = {"mode": "area"} if is_smaller else {"mode": "bilinear", "align_corners": False}
            render = torch.nn.functional.interpolate(render, target.shape[1:3], **mode)
        return {
            "loss_denoise": torch.nn.functional.mse_loss(render.movedim(1, -1), target),
            "strength": float(self._strength),
            "denoiser_evaluations": step.counter.count,
        }
