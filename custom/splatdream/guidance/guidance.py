"""The registered guidance: a method, a prior and schedules behind threestudio's guidance protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.random_streams import generator_for
from ..host import C, find, register
from ..options.option_range import OptionRange
from ..options.plain_config import plain_config
from .base import PriorGuidance
from .config_checks import check_config
from .gradient import FiniteGradients, GradientScale, clip_gradient, distillation_loss
from .methods.registry import guidance_method
from .reward import STRATEGIES, RewardedDraws
from .step import ANYWHERE, GuidedStep, StepSettings
from .step_pictures import step_pictures
from .surface_noise import Surface


@register("splatdream-guidance")
class Guidance(PriorGuidance):
    """`guidance(rgb, prompt_utils, **batch)` -> {"loss_sds": ..., and numbers to log}.

    Methods that learn add losses of their own ("loss_lora") and parameters for the system to optimize.
    """

    @dataclass
    class Config(PriorGuidance.Config):
        method: str = "sds"
        """What turns predictions into a gradient; see guidance/methods/registry.py."""
        method_options: dict = field(default_factory=dict)
        """Options of the method by name, each a number or a schedule; see its function."""
        guidance_scale: Annotated[Any, OptionRange(0, remedy="1 is no guidance")] = 1.0
        """s in unconditional + s (conditional - unconditional); 1 is no guidance, for every method alike."""
        guidance_rescale: Annotated[float, OptionRange(0, 1, remedy="0 is off, 0.7 the paper's")] = 0.0
        """Share of the spread of the guided prediction that is brought back to that of the conditional one; 0 to 1."""
        perp_neg: Annotated[Any, OptionRange(0, remedy="1 takes threestudio's weights, 0 is off")] = 0.0
        """Strength of Perp-Neg: 1 takes threestudio's weights, 0 is off."""
        interpolated_views: bool = False
        """Mix the predictions from neighboring view texts by azimuth, as Perp-Neg does; not needed beside it."""
        flip_probability: Annotated[float, OptionRange(0, 1, remedy="0 is off, 0.5 LucidDreamer's")] = 0.0
        """Probability that the prior sees the views of a step mirrored; not for priors that are told cameras."""
        weighting: str = "sigma_squared"
        """w(t): sigma_squared, uniform, fantasia3d or noise_to_signal."""
        min_step_fraction: Annotated[Any, OptionRange(0, 1, remedy="the default is 0.02")] = 0.02
        """Lowest timestep as a fraction of the schedule; a number or [start_step, start, end, end_step]."""
        max_step_fraction: Annotated[Any, OptionRange(0, 1, remedy="the default is 0.98")] = 0.98
        """Highest timestep, likewise."""
        timestep_sampling: str = ANYWHERE
        """uniform: anywhere in the range; linear, sqrt (HiFA) or dreamtime: once from its top to its bottom."""
        annealing_steps: Annotated[int, OptionRange(0, remedy="set it to ${trainer.max_steps}")] = 0
        """Optimizer steps that the way from top to bottom takes, `${trainer.max_steps}`; not used by uniform."""
        gradient_clip: Annotated[Any, OptionRange(0, remedy="0 is no bound")] = 0.0
        """Bound on every element of the weighted gradient (D-SDS: [0, 0.5, 2.0, 10000]); 0 is none."""
        reward_type: str = ""
        """Registered name of a reward that chooses among draws of the noise (RewardSDS); empty: the first is taken."""
        reward: dict = field(default_factory=dict)
        """Configuration of the reward."""
        reward_draws: Annotated[Any, OptionRange(1, remedy="7 in RewardSDS's code, 1 is no choice")] = 7
        """Draws of the noise that are rewarded in a step; a number or a schedule."""
        reward_strategy: str = "min_max"
        """Draws that are followed: best, softmax, or min_max, the two best and away from the two worst."""
        reward_denoising_steps: Annotated[int, OptionRange(1, 1000, remedy="15 in RewardSDS's code")] = 15
        """Steps of denoising, from the top of the schedule, to the images that are rewarded."""
        reward_guidance_scale: Annotated[float, OptionRange(0, remedy="1 is no guidance")] = 7.5
        """s of these steps."""
        gradient_scale_steps: Annotated[int, OptionRange(0, remedy="0 leaves the gradient unscaled")] = 100
        """Steps over which the size of the gradient is measured before its scale is frozen; 0 leaves it unscaled."""

    cfg: Config

    def configure(self) -> None:
        self._method = guidance_method(self.cfg.method)
        super().configure()
        self._method.check_prior(self._prior)
        if not self._prior.reads_texts:
            self._refuse_mixed_texts()
        self.reads_source = self._method.needs_source
        self.reads_surface = self._method.keeps_noise
        steps = self.cfg.gradient_scale_steps
        self.gradient_scale = GradientScale(steps) if steps > 0 else None
        self.finite = FiniteGradients()
        self._reward = find(self.cfg.reward_type)(self.cfg.reward) if self.cfg.reward_type else None
        self.learner = self._method.make_learner(self._prior, self.cfg.seed, dict(self.cfg.method_options))
        for parameter in [] if self.learner is None else self.learner.parameters():
            parameter.register_hook(self.finite)
        self.cfg = plain_config(self.cfg)

    def _refuse_mixed_texts(self) -> None:
        for name in ("perp_neg", "interpolated_views"):
            if getattr(self.cfg, name):
                raise ValueError(
                    f"guidance.{name} weighs view texts, and {type(self._prior).__name__} reads none; leave it out"
                )

    def _check(self) -> None:
        super()._check()
        check_config(self.cfg, self._method, C)

    def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
        """Reads the schedules. Pure in its arguments: hosts call it more than once a step."""

        def now(value: object) -> float:
            return C(value, epoch, global_step)

        self._step = global_step
        self._settings = StepSettings(
            guidance_scale=float(now(self.cfg.guidance_scale)),
            guidance_rescale=self.cfg.guidance_rescale,
            perp_neg=now(self.cfg.perp_neg),
            interpolated_views=self.cfg.interpolated_views,
            weighting=self.cfg.weighting,
            min_step_fraction=now(self.cfg.min_step_fraction),
            max_step_fraction=now(self.cfg.max_step_fraction),
            timestep_sampling=self.cfg.timestep_sampling,
            annealing_steps=self.cfg.annealing_steps,
            seed=self.cfg.seed,
        )
        self._gradient_clip = now(self.cfg.gradient_clip)
        self._num_draws = round(now(self.cfg.reward_draws))
        given = self._method.gradient_options | dict(self.cfg.method_options)
        self._options = {name: now(given[name]) for name in self._method.gradient_options}

    def trainable_parameters(self, device: torch.device | str | None = None) -> list[dict[str, object]]:
        """See `PriorGuidance`; none unless the method learns."""
        return [] if self.learner is None else self.learner.to(device).parameter_groups()

    def state_dict(self) -> dict[str, object]:
        learned = None if self.learner is None else dict(self.learner.state_dict())
        scale = None if self.gradient_scale is None else self.gradient_scale.state_dict()
        return {"gradient_scale": scale, "learner": learned}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        if self.gradient_scale is not None and state["gradient_scale"] is not None:
            self.gradient_scale.load_state_dict(state["gradient_scale"])
        if self.learner is not None:
            self.learner.load_state_dict(state["learner"])

    def __call__(
        self,
        rgb: Float[Tensor, "B H W C"],
        prompt_utils: object,
        rgb_as_latents: bool = False,
        guidance_eval: bool = False,
        background_color: Float[Tensor, "B 3"] | None = None,
        depth: Float[Tensor, "B H W 1"] | None = None,
        opacity: Float[Tensor, "B H W 1"] | None = None,
        **batch: object,
    ) -> dict[str, Tensor | float]:
        """The distillation loss of rendered views, with numbers to log; see `_guided_step` for arguments.

        Args:
            rgb: images in [0, 1], or latents in channels-last order when `rgb_as_latents`.
            depth: along the camera's axis, for methods that keep noise on the surface.
            opacity: of the same pixels.
        """
        if guidance_eval:
            raise ValueError("splatdream-guidance draws no evaluation pictures; set system.freq.guidance_eval=0")
        self.finite.begin_step(self._step)
        if rgb.requires_grad:
            rgb.register_hook(self.finite)
        if torch.rand((), generator=generator_for(self.cfg.seed, "flip", self._step)) < self.cfg.flip_probability:
            rgb = rgb.flip(2)
        latents = rgb.movedim(-1, 1) if rgb_as_latents else self._prior.encode_images(rgb)
        step = self._guided_step(latents, prompt_utils, background_color, batch, self._step, self._settings)
        if depth is not None and opacity is not None:
            step = replace(step, surface=Surface.seen(step.views.cameras, depth, opacity, self.cfg.seed))
        supplied, losses = (
            ({}, {}) if self.learner is None else (self.learner.supplied(step), self.learner.losses(step))
        )
        gradient = self.finite(self._gradient(step, supplied))
        gradient = clip_gradient(gradient, self._gradient_clip)
        scale = 1.0 if self.gradient_scale is None else self.gradient_scale.update(gradient, ~self.finite.in_step)
        first, last = step.timestep_range()
        return {
            **losses,
            "loss_sds": distillation_loss(latents, scale * gradient),
            "grad_norm": gradient.flatten(1).norm(dim=1).mean(),
            "gradient_scale": scale,
            "non_finite_values": self.finite.values.float(),
            "min_step": first,
            "max_step": last,
            "denoiser_evaluations": step.counter.count,
        }

    def step_pictures(
        self,
        rgb: Float[Tensor, "B H W 3"],
        prompt_utils: object,
        background_color: Float[Tensor, "B 3"] | None = None,
        **batch: object,
    ) -> Mapping[str, Float[Tensor, "B h w 3"]]:
        """`noisy` and `denoised`; see `AnyGuidance`, and step_pictures.py."""
        latents = self._prior.encode_images(rgb)
        return step_pictures(
            self._guided_step(latents, prompt_utils, background_color, batch, self._step, self._settings)
        )

    def _gradient(self, step: GuidedStep, supplied: Mapping[str, object]) -> Float[Tensor, "B ..."]:
        """w(t) times the method's gradient, for the noise of the step or for draws that a reward chooses."""

        def gradient_of(step: GuidedStep) -> Tensor:
            return self._method.weighted_gradient(step, self._options, supplied)

        if self._reward is None or self._num_draws < STRATEGIES[self.cfg.reward_strategy][1]:
            return gradient_of(step)
        draws = RewardedDraws(
            self._reward,
            self._num_draws,
            self.cfg.reward_strategy,
            self.cfg.reward_denoising_steps,
            self.cfg.reward_guidance_scale,
        )
        return draws.gradient(step, gradient_of)
