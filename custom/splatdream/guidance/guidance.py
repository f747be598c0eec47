"""The registered guidance: a method, a prior, and the schedule between them, behind threestudio's guidance protocol."""

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
from .denoiser import Denoiser
from .distillation_loss import distillation_loss
from .gradient_scale import GradientScale
from .methods import guidance_method
from .timesteps import sample_timesteps, timestep_range
from .weighting import timestep_weights


@register("splatdream-guidance")
class Guidance(BaseObject):
    """`guidance(rgb, prompt_utils, **batch)` -> {"loss_sds": ..., and numbers to log}."""

    @dataclass
    class Config(BaseObject.Config):
        method: str = "sds"
        """What turns predictions into a gradient; see guidance/methods.py."""
        prior_type: str = "splatdream-closed-form-prior"
        """Registered name of the diffusion prior."""
        prior: dict = field(default_factory=dict)
        """Configuration of the prior."""
        guidance_scale: float = 1.0
        """s in unconditional + s (conditional - unconditional); 1 is no guidance, for every method alike."""
        weighting: str = "sigma_squared"
        """w(t): sigma_squared, uniform, fantasia3d or noise_to_signal."""
        min_step_fraction: Any = 0.02
        """Lowest timestep as a fraction of the schedule; a number or [start_step, start, end, end_step]."""
        max_step_fraction: Any = 0.98
        """Highest timestep, likewise."""
        gradient_scale_steps: int = 100
        """Steps over which the size of the gradient is measured before its scale is frozen; 0 leaves it unscaled."""
        seed: int = 0
        """Seed of timesteps and noise; `${seed}` in a YAML."""

    cfg: Config

    def configure(self) -> None:
        self._method = guidance_method(self.cfg.method)
        self._prior = find(self.cfg.prior_type)(self.cfg.prior)()
        self._step = 0
        self._range = (0.02, 0.98)
        self._encoded: tuple[object, ViewPrompts, Condition] | None = None
        self.gradient_scale = GradientScale(num_steps=self.cfg.gradient_scale_steps)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        """Reads the schedules. Pure in its arguments: hosts call it more than once a step."""
        self._step = global_step
        self._range = (
            C(self.cfg.min_step_fraction, epoch, global_step),
            C(self.cfg.max_step_fraction, epoch, global_step),
        )

    def __call__(
        self,
        rgb: Float[Tensor, "B H W C"],
        prompt_utils: object,
        rgb_as_latents: bool = False,
        guidance_eval: bool = False,
        background_color: Float[Tensor, "B 3"] | None = None,
        **batch: object,
    ) -> dict[str, Tensor | float]:
        """The distillation loss of rendered views, with numbers to log.

        Args:
            rgb: images in [0, 1], or latents in channels-last order when `rgb_as_latents`.
            prompt_utils: `ViewPrompts`, or the output of one of threestudio's prompt processors.
            background_color: what is behind the object of each view; white when it is not told.
            batch: the rest of threestudio's batch; the cameras are read from it.
        """
        if guidance_eval:
            raise ValueError("splatdream-guidance draws no evaluation pictures; set system.freq.guidance_eval=0")
        prompts, condition = self._encode(prompt_utils)
        cameras = CameraBatch.from_batch(batch)
        if background_color is None:
            background_color = rgb.new_ones(len(rgb), 3)
        denoiser = Denoiser(
            self._prior,
            condition,
            prompts.rows(cameras),
            prompts.negative_rows(cameras),
            Views(cameras, background_color),
            self.cfg.guidance_scale,
        )
        latents = rgb.movedim(-1, 1) if rgb_as_latents else self._prior.encode_images(rgb)
        timesteps, noise = self._draw(latents)
        weights = timestep_weights(self.cfg.weighting, self._prior.schedule, timesteps, latents)
        gradient = weights * self._method(denoiser, latents.detach(), timesteps, noise)
        scale = self.gradient_scale.update(gradient) if self.cfg.gradient_scale_steps > 0 else 1.0
        first, last = timestep_range(*self._range, len(self._prior.schedule))
        return {
            "loss_sds": distillation_loss(latents, scale * gradient),
            "grad_norm": gradient.flatten(1).norm(dim=1).mean(),
            "gradient_scale": scale,
            "min_step": first,
            "max_step": last,
            "denoiser_evaluations": denoiser.num_evaluations,
        }

    def _draw(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Timesteps and noise of this step."""
        first, last = timestep_range(*self._range, len(self._prior.schedule))
        timesteps = sample_timesteps(
            first,
            last,
            len(latents),
            self._prior.views_per_group,
            generator_for(self.cfg.seed, "timesteps", self._step),
        )
        noise = torch.randn(latents.shape, generator=generator_for(self.cfg.seed, "noise", self._step))
        return timesteps.to(latents.device), noise.to(latents)

    def _encode(self, prompt_utils: object) -> tuple[ViewPrompts, Condition]:
        """Texts are encoded at the first call and kept for as long as the same prompts come in."""
        if self._encoded is None or self._encoded[0] is not prompt_utils:
            prompts = prompt_utils
            if not isinstance(prompts, ViewPrompts):
                prompts = from_upstream(prompt_utils, is_view_dependent=True)
            self._encoded = (prompt_utils, prompts, self._prior.encode_texts(prompts.texts))
        return self._encoded[1], self._encoded[2]
