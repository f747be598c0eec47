"""Denoiser: a prior that has been told which texts, views and guidance scale a step uses.

Methods ask it for predictions and never look inside a condition. It counts what it costs.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..priors.base import Condition, DiffusionPrior, Views
from .classifier_free import guide


class Denoiser:
    """Predictions of one step, without gradients: the network's Jacobian is skipped (arXiv:2209.14988, eq. 3).

    Attributes:
        num_evaluations: denoised images so far; a conditional and an unconditional prediction of one view are two.
    """

    def __init__(
        self,
        prior: DiffusionPrior,
        condition: Condition,
        rows: Int[Tensor, "B"],
        negative_rows: Int[Tensor, "B"],
        views: Views,
        guidance_scale: float,
    ) -> None:
        """`condition` holds every text of the run; `rows` and `negative_rows` pick those of each view."""
        self.schedule = prior.schedule
        self.num_evaluations = 0
        self._prior = prior
        self._condition = condition
        self._rows = rows
        self._negative_rows = negative_rows
        self._views = views
        self._guidance_scale = guidance_scale

    def conditional(self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]) -> Float[Tensor, "B ..."]:
        """The noise predicted from the text."""
        return self._predict(noisy_latents, timesteps, self._rows)

    def unconditional(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]
    ) -> Float[Tensor, "B ..."]:
        """The noise predicted from the negative prompt (the empty text, unless one is given)."""
        return self._predict(noisy_latents, timesteps, self._negative_rows)

    def both(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
        """The unconditional and the conditional prediction, from one call of the network."""
        rows = torch.cat([self._negative_rows, self._rows])
        unconditional, conditional = self._predict(
            torch.cat([noisy_latents, noisy_latents]), torch.cat([timesteps, timesteps]), rows
        ).chunk(2)
        return unconditional, conditional

    def guided(self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]) -> Float[Tensor, "B ..."]:
        """The noise predicted under classifier-free guidance. A scale of 1 costs one evaluation instead of two."""
        if self._guidance_scale == 1.0:
            return self.conditional(noisy_latents, timesteps)
        unconditional, conditional = self.both(noisy_latents, timesteps)
        return guide(unconditional, conditional, self._guidance_scale)

    @torch.no_grad()
    def _predict(
        self, noisy_latents: Float[Tensor, "R ..."], timesteps: Int[Tensor, "R"], rows: Int[Tensor, "R"]
    ) -> Float[Tensor, "R ..."]:
        self.num_evaluations += len(noisy_latents)
        num_views = len(self._views)
        # Views repeat when conditional and unconditional rows share a call.
        views = self._views if len(rows) == num_views else self._views[torch.arange(len(rows)) % num_views]
        return self._prior.predict_noise(noisy_latents, timesteps, self._condition[rows], views)
