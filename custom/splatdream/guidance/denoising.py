"""The registered guidance that paints over: each render is noised and denoised, and pulled to what came out."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..host import BaseObject, C, find, register
from ..priors.base import Condition, Views
from ..prompts.view_prompts import ViewPrompts, from_upstream
from .denoised_target import denoise, denoising_levels
from .denoiser import Denoiser
from .option_range import OptionRange, check_range

_RANGES = {
    "guidance_scale": (OptionRange(0), "1 is no guidance"),
    "strength": (OptionRange(0.001, 1), "the default is 0.8"),
    "num_steps": (OptionRange(1), "the default is 20"),
}


@register("splatdream-denoising-guidance")
class DenoisingGuidance(BaseObject):
    """`guidance(rgb, prompt_utils, **batch)` -> {"loss_denoise": pixel MSE, and numbers to log}.

    DreamGaussian's texture refinement (arXiv:2309.16653, sec. 3.4) behind threestudio's guidance protocol.
    """

    @dataclass
    class Config(BaseObject.Config):
        prior_type: str = "splatdream-closed-form-prior"
        """Registered name of the diffusion prior."""
        prior: dict = field(default_factory=dict)
        """Configuration of the prior."""
        guidance_scale: float = 1.0
        """s in unconditional + s (conditional - unconditional); 1 is no guidance."""
        strength: Any = 0.8
        """Timestep that renders are noised to, as a fraction of the schedule; a number or a schedule."""
        num_steps: int = 20
        """Denoising steps from there."""
        seed: int = 0
        """Seed of the noise; `${seed}` in a YAML."""

    cfg: Config

    def configure(self) -> None:
        for name, (allowed, remedy) in _RANGES.items():
            check_range(f"guidance.{name}", getattr(self.cfg, name), allowed, remedy)
        self._prior = find(self.cfg.prior_type)(self.cfg.prior)()
        self._encoded: tuple[object, ViewPrompts, Condition] | None = None
        self.update_step(0, 0)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        self._step = global_step
        self._strength = C(self.cfg.strength, epoch, global_step)

    def manifest(self) -> dict[str, object]:
        """What identifies the prior in a run manifest."""
        return self._prior.manifest()

    def __call__(
        self,
        rgb: Float[Tensor, "B H W 3"],
        prompt_utils: object,
        background_color: Float[Tensor, "B 3"] | None = None,
        **batch: object,
    ) -> dict[str, Tensor | float]:
        """The mean square between renders and their denoised versions, at the size that the prior decodes to.

        Args:
            rgb: images in [0, 1].
            prompt_utils: `ViewPrompts`, or the output of one of threestudio's prompt processors.
            background_color: what is behind the object of each view; white when it is not told.
            batch: the rest of threestudio's batch; the cameras are read from it.
        """
        prompts, condition = self._encode(prompt_utils)
        cameras = CameraBatch.from_batch(batch)
        background = rgb.new_ones(len(rgb), 3) if background_color is None else background_color
        denoiser = Denoiser(
            self._prior,
            condition,
            prompts.rows(cameras),
            prompts.negative_rows(cameras),
            Views(cameras, background),
            self.cfg.guidance_scale,
        )
        with torch.no_grad():
            latents = self._prior.encode_images(rgb)
            noise = torch.randn(latents.shape, generator=generator_for(self.cfg.seed, "noise", self._step)).to(latents)
            start = max(1, round(self._strength * (len(self._prior.schedule) - 1)))
            target = self._prior.decode_latents(
                denoise(denoiser, latents, noise, denoising_levels(start, self.cfg.num_steps))
            )
        render = rgb.movedim(-1, 1)
        if target.shape[1:3] != rgb.shape[1:3]:
            is_smaller = target.shape[1] <= rgb.shape[1]
            mode = {"mode": "area"} if is_smaller else {"mode": "bilinear", "align_corners": False}
            render = torch.nn.functional.interpolate(render, target.shape[1:3], **mode)
        return {
            "loss_denoise": torch.nn.functional.mse_loss(render.movedim(1, -1), target),
            "strength": float(self._strength),
            "denoiser_evaluations": denoiser.num_evaluations,
        }

    def _encode(self, prompt_utils: object) -> tuple[ViewPrompts, Condition]:
        """Texts are encoded at the first call and kept for as long as the same prompts come in."""
        if self._encoded is None or self._encoded[0] is not prompt_utils:
            prompts = prompt_utils
            if not isinstance(prompts, ViewPrompts):
                prompts = from_upstream(prompt_utils, is_view_dependent=True)
            texts = prompts.with_suffix(self._prior.prompt_suffix).texts
            self._encoded = (prompt_utils, prompts, self._prior.encode_texts(texts))
        return self._encoded[1], self._encoded[2]
