"""One step of distillation: what is asked of a prior for some views, the same for a run and for the playground.

B views.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cameras.random_streams import generator_for
from ..priors.base import Condition, DiffusionPrior, Views
from ..prompts.view_prompts import ViewPrompts
from ..storage.device_copies import sent
from .denoiser import Denoiser, EvaluationCounter
from .surface_noise import Surface
from .timesteps import annealed_timestep, sample_timesteps, timestep_range

ANYWHERE = "uniform"
"""The timestep sampling that follows no annealing."""


@dataclass(frozen=True)
class StepSettings:
    """Values of one step; `Guidance.Config` explains those of the same names."""

    guidance_scale: float = 1.0
    guidance_rescale: float = 0.0
    perp_neg: float = 0.0
    interpolated_views: bool = False
    weighting: str = "sigma_squared"
    min_step_fraction: float = 0.02
    max_step_fraction: float = 0.98
    timestep_sampling: str = ANYWHERE
    annealing_steps: int = 0
    seed: int = 0


@dataclass(frozen=True)
class GuidedStep:
    """What is known of a step before its gradient. Draws depend on the seed and the number of the step alone."""

    prior: DiffusionPrior
    prompts: ViewPrompts
    condition: Condition
    """Every text of `prompts`, encoded."""
    views: Views
    latents: Float[Tensor, "B ..."]
    """Without gradient."""
    number: int
    settings: StepSettings
    counter: EvaluationCounter = field(default_factory=EvaluationCounter)
    surface: Surface | None = None
    """What the views show of one, for methods that keep noise on it."""
    given_noise: Float[Tensor, "B ..."] | None = None
    """In place of a draw."""

    def generator(self, stream: str) -> torch.Generator:
        """A fresh one for this step's draws of that name."""
        return generator_for(self.settings.seed, stream, self.number)

    def noise(self, draw: int = 0) -> Float[Tensor, "B ..."]:
        """What is added to the latents.

        Args:
            draw: which of several, for those who choose among them.
        """
        if self.given_noise is not None:
            return self.given_noise
        stream = f"noise {draw}" if draw else "noise"
        noise = torch.randn(self.latents.shape, generator=self.generator(stream))
        return sent(noise, self.latents.device, self.latents.dtype)

    def with_noise(self, noise: Float[Tensor, "B ..."]) -> "GuidedStep":
        """The same step, with this noise."""
        return replace(self, given_noise=noise)

    def timestep_range(self) -> tuple[int, int]:
        """The first and the last timestep that may be drawn."""
        settings = self.settings
        return timestep_range(settings.min_step_fraction, settings.max_step_fraction, len(self.prior.schedule))

    def timesteps(self) -> Int[Tensor, "B"]:
        """On the host, where methods count the steps of their paths."""
        first, last = self.timestep_range()
        num_views, name = len(self.latents), self.settings.timestep_sampling
        if name == ANYWHERE:
            generator = self.generator("timesteps")
            return sample_timesteps(first, last, num_views, self.prior.views_per_group, generator)
        progress = self.number / self.settings.annealing_steps
        return torch.full((num_views,), annealed_timestep(name, first, last, progress, self.prior.schedule))

    def plain_condition(self) -> Condition:
        """One row a view: the prompt without view words."""
        return self.condition[self.prompts.plain_rows(self.views.cameras)]

    def denoiser(self) -> Denoiser:
        prompts, cameras, strength = self.prompts, self.views.cameras, self.settings.perp_neg
        has_terms = strength > 0 or self.settings.interpolated_views
        return Denoiser(
            self.prior,
            self.condition,
            prompts.rows(cameras),
            prompts.negative_rows(cameras),
            self.views,
            self.settings.guidance_scale,
            prompts.empty_rows(cameras),
            prompts.perp_neg_terms(cameras).scaled(strength) if has_terms else None,
            self.settings.guidance_rescale,
            self.counter,
            prompts.source_rows(cameras),
        )
