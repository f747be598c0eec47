"""The registered guidance: a method, a prior and schedules behind threestudio's guidance protocol."""

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
from .clipping import clip_gradient
from .config_checks import ANYWHERE, check_config
from .denoiser import Denoiser, EvaluationCounter
from .distillation_loss import distillation_loss
from .gradient_scale import GradientScale
from .methods.lora import LoraParticles, LoraScore
from .methods.registry import default_options, guidance_method, needs
from .timesteps import annealed_timestep, sample_timesteps, timestep_range
from .weighting import timestep_weights


@register("splatdream-guidance")
class Guidance(BaseObject):
    """`guidance(rgb, prompt_utils, **batch)` -> {"loss_sds": ..., and numbers to log}; VSD and ESD add "loss_lora".

    Methods that learn own `particles`, a module whose parameters the system optimizes; it is None for the others.
    """

    @dataclass
    class Config(BaseObject.Config):
        method: str = "sds"
        """What turns predictions into a gradient; see guidance/methods/registry.py."""
        method_options: dict = field(default_factory=dict)
        """Options of the method by name, each a number or a schedule; see its function."""
        prior_type: str = "splatdream-closed-form-prior"
        """Registered name of the diffusion prior."""
        prior: dict = field(default_factory=dict)
        """Configuration of the prior."""
        guidance_scale: Any = 1.0
        """s in unconditional + s (conditional - unconditional); 1 is no guidance, for every method alike."""
        guidance_rescale: float = 0.0
        """Share of the spread of the guided prediction that is brought back to that of the conditional one; 0 to 1."""
        perp_neg: Any = 0.0
        """Strength of Perp-Neg: 1 takes threestudio's weights, 0 is off."""
        weighting: str = "sigma_squared"
        """w(t): sigma_squared, uniform, fantasia3d or noise_to_signal."""
        min_step_fraction: Any = 0.02
        """Lowest timestep as a fraction of the schedule; a number or [start_step, start, end, end_step]."""
        max_step_fraction: Any = 0.98
        """Highest timestep, likewise."""
        timestep_sampling: str = "uniform"
        """uniform: anywhere in the range; linear, sqrt (HiFA) or dreamtime: once from its top to its bottom."""
        annealing_steps: int = 0
        """Optimizer steps that the way from top to bottom takes, `${trainer.max_steps}`; not used by uniform."""
        gradient_clip: Any = 0.0
        """Bound on every element of the weighted gradient (D-SDS: [0, 0.5, 2.0, 10000]); 0 is none."""
        gradient_scale_steps: int = 100
        """Steps over which the size of the gradient is measured before its scale is frozen; 0 leaves it unscaled."""
        lora_rank: int = 4
        """Rank of the weights that VSD and ESD train."""
        lora_learning_rate: float = 1.0e-4
        """Adam's, for those weights and the camera embedding."""
        lora_camera_dropout: float = 0.1
        """Share of their training steps that are taken without cameras."""
        seed: int = 0
        """Seed of timesteps and noise; `${seed}` in a YAML."""

    cfg: Config

    def configure(self) -> None:
        check_config(self.cfg, C)
        self._method = guidance_method(self.cfg.method)
        self._prior = find(self.cfg.prior_type)(self.cfg.prior)()
        self._encoded: tuple[ViewPrompts, Condition] | None = None
        self.gradient_scale = GradientScale(num_steps=self.cfg.gradient_scale_steps)
        self.particles: LoraParticles | None = None
        if needs(self._method, "particles"):
            self.particles = LoraParticles(
                self._prior, self.cfg.lora_rank, generator_for(self.cfg.seed, "lora weights", 0)
            )
        self.update_step(0, 0)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        """Reads the schedules. Pure in its arguments: hosts call it more than once a step."""
        self._step = global_step
        self._range = (
            C(self.cfg.min_step_fraction, epoch, global_step),
            C(self.cfg.max_step_fraction, epoch, global_step),
        )
        self._guidance_scale = float(C(self.cfg.guidance_scale, epoch, global_step))
        self._perp_neg = C(self.cfg.perp_neg, epoch, global_step)
        self._gradient_clip = C(self.cfg.gradient_clip, epoch, global_step)
        options = default_options(self._method) | dict(self.cfg.method_options)
        self._options = {name: C(value, epoch, global_step) for name, value in options.items()}

    def trainable_parameters(self, device: torch.device | str | None = None) -> list[dict[str, object]]:
        """Groups for the run's one optimizer; none unless the method learns.

        Args:
            device: where the run computes; the optimizer's state is restored to where its parameters are.
        """
        if self.particles is None:
            return []
        if device is not None:
            self.particles.to(device)
        parameters = list(self.particles.parameters())
        return [{"name": "guidance_particles", "params": parameters, "lr": self.cfg.lora_learning_rate}]

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint needs: tensors and plain types."""
        particles = None if self.particles is None else dict(self.particles.state_dict())
        return {"gradient_scale": self.gradient_scale.state_dict(), "particles": particles}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.gradient_scale.load_state_dict(state["gradient_scale"])
        if self.particles is not None:
            self.particles.load_state_dict(state["particles"])

    def manifest(self) -> dict[str, object]:
        """What identifies the prior in a run manifest; its settings stand in the configuration."""
        return self._prior.manifest()

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
        views = Views(cameras, background_color)
        counter = EvaluationCounter()
        denoiser = self._denoiser(prompts, condition, views, counter)
        latents = rgb.movedim(-1, 1) if rgb_as_latents else self._prior.encode_images(rgb)
        first, last = timestep_range(*self._range, len(self._prior.schedule))
        timesteps, noise = self._draw(latents, first, last)
        supplied: dict[str, object] = {}
        if needs(self._method, "generator"):
            supplied["generator"] = generator_for(self.cfg.seed, "method", self._step)
        results: dict[str, Tensor | float] = {}
        if self.particles is not None:
            score = LoraScore(self.particles, condition[prompts.plain_rows(cameras)], views, counter)
            supplied["particles"] = score
            results["loss_lora"] = score.training_loss(
                latents.detach(), generator_for(self.cfg.seed, "lora", self._step), self.cfg.lora_camera_dropout
            )
        weights = timestep_weights(self.cfg.weighting, self._prior.schedule, timesteps, latents)
        gradient = weights * self._method(denoiser, latents.detach(), timesteps, noise, **self._options, **supplied)
        gradient = clip_gradient(gradient, self._gradient_clip)
        scale = self.gradient_scale.update(gradient) if self.cfg.gradient_scale_steps > 0 else 1.0
        return results | {
            "loss_sds": distillation_loss(latents, scale * gradient),
            "grad_norm": gradient.flatten(1).norm(dim=1).mean(),
            "gradient_scale": scale,
            "min_step": first,
            "max_step": last,
            "denoiser_evaluations": counter.count,
        }

    def _denoiser(
        self, prompts: ViewPrompts, condition: Condition, views: Views, counter: EvaluationCounter
    ) -> Denoiser:
        terms = None
        if self._perp_neg > 0:
            terms = prompts.perp_neg_terms(views.cameras).scaled(self._perp_neg)
        return Denoiser(
            self._prior,
            condition,
            prompts.rows(views.cameras),
            prompts.negative_rows(views.cameras),
            views,
            self._guidance_scale,
            prompts.empty_rows(views.cameras),
            terms,
            self.cfg.guidance_rescale,
            counter,
        )

    def _draw(self, latents: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Timesteps and noise of this step."""
        if self.cfg.timestep_sampling == ANYWHERE:
            timesteps = sample_timesteps(
                first,
                last,
                len(latents),
                self._prior.views_per_group,
                generator_for(self.cfg.seed, "timesteps", self._step),
            )
        else:
            progress = self._step / self.cfg.annealing_steps
            shared = annealed_timestep(self.cfg.timestep_sampling, first, last, progress, self._prior.schedule)
            timesteps = torch.full((len(latents),), shared)
        noise = torch.randn(latents.shape, generator=generator_for(self.cfg.seed, "noise", self._step))
        return timesteps.to(latents.device), noise.to(latents)

    def _encode(self, prompt_utils: object) -> tuple[ViewPrompts, Condition]:
        """Texts are encoded at the first call and kept for as long as the same prompts come in."""
        prompts = prompt_utils
        if not isinstance(prompts, ViewPrompts):
            # threestudio makes a new object for every step.
            prompts = from_upstream(prompt_utils, is_view_dependent=True)
        if self._encoded is None or self._encoded[0] != prompts:
            texts = prompts.with_suffix(self._prior.prompt_suffix).texts
            self._encoded = (prompts, self._prior.encode_texts(texts))
        return self._encoded
