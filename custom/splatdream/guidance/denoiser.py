"""Denoiser: a prior that has been told which texts, views and guidance scale a step uses.

Methods ask it for predictions and never look inside a condition. It counts what it costs. B views.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..priors.base import Condition, DiffusionPrior, Views
from ..prompts.perp_neg import PerpNegTerms
from .classifier_free import guide, rescale
from .perp_neg import perp_neg_direction


class Text(Enum):
    """What a prediction is conditioned on."""

    CONDITIONAL = auto()
    """The text of the view; under Perp-Neg the mix of view texts, pushed away from the others."""
    UNCONDITIONAL = auto()
    """The negative prompt: what classifier-free guidance moves away from (the empty text, unless one is given)."""
    EMPTY = auto()
    """The empty text, whatever the negative prompt."""
    SOURCE = auto()
    """What the render of a view looks like now (`ViewPrompts.source_modifier`); the negative prompt, if it has none."""


@dataclass
class EvaluationCounter:
    """Denoised images so far; several denoisers of one step may share one."""

    count: int = 0


class Denoiser:
    """Predictions of one step, without gradients: the network's Jacobian is skipped (arXiv:2209.14988, eq. 3)."""

    def __init__(
        self,
        prior: DiffusionPrior,
        condition: Condition,
        rows: Int[Tensor, "B"],
        negative_rows: Int[Tensor, "B"],
        views: Views,
        guidance_scale: float,
        empty_rows: Int[Tensor, "B"] | None = None,
        perp_neg: PerpNegTerms | None = None,
        guidance_rescale: float = 0.0,
        counter: EvaluationCounter | None = None,
        source_rows: Int[Tensor, "B"] | None = None,
    ) -> None:
        """
        Args:
            condition: every text of the run; the rows pick those of each view.
            empty_rows: of the empty text; `negative_rows`, if None.
            perp_neg: replaces `rows` by terms that are mixed or pushed away from.
            guidance_rescale: how much of the spread of the guided prediction is taken back; see `rescale`.
            counter: adds up evaluations; one of its own, if None.
            source_rows: of the source texts; `negative_rows`, if None.
        """
        self.schedule = prior.schedule
        self.views_per_group = prior.views_per_group
        self.guidance_scale = guidance_scale
        self.counter = counter or EvaluationCounter()
        self._prior = prior
        self._condition = condition
        self._rows = rows
        self._negative_rows = negative_rows
        self._empty_rows = negative_rows if empty_rows is None else empty_rows
        self._source_rows = negative_rows if source_rows is None else source_rows
        self._views = views
        self._perp_neg = perp_neg
        self._guidance_rescale = guidance_rescale

    def among(self, chosen: Int[Tensor, "b"]) -> "Denoiser":
        """The denoiser of some of the views; for a multi-view prior the choice consists of whole groups."""
        return Denoiser(
            self._prior,
            self._condition,
            self._rows[chosen],
            self._negative_rows[chosen],
            self._views[chosen],
            self.guidance_scale,
            self._empty_rows[chosen],
            None if self._perp_neg is None else self._perp_neg[chosen],
            self._guidance_rescale,
            self.counter,
            self._source_rows[chosen],
        )

    def predict(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"], *texts: Text
    ) -> tuple[Float[Tensor, "B ..."], ...]:
        """The noise predicted from each of the texts, all from one call of the network.

        Texts that are the same for every view are evaluated once.
        """
        inputs: list[Tensor] = []
        needed = {text: [_place(inputs, rows) for rows in self._rows_of(text)] for text in texts}
        predictions = self._evaluate(noisy_latents, timesteps, inputs)
        return tuple(self._combine(text, [predictions[place] for place in needed[text]]) for text in texts)

    def conditional(self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]) -> Float[Tensor, "B ..."]:
        """The noise predicted from the text."""
        return self.predict(noisy_latents, timesteps, Text.CONDITIONAL)[0]

    def both(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
        """The unconditional and the conditional prediction, from one call of the network."""
        unconditional, conditional = self.predict(noisy_latents, timesteps, Text.UNCONDITIONAL, Text.CONDITIONAL)
        return unconditional, conditional

    def guided(
        self,
        noisy_latents: Float[Tensor, "B ..."],
        timesteps: Int[Tensor, "B"],
        guidance_scale: float | None = None,
    ) -> Float[Tensor, "B ..."]:
        """The noise predicted under classifier-free guidance. A scale of 1 costs one evaluation instead of two.

        Args:
            guidance_scale: the run's, if None.
        """
        scale = self.guidance_scale if guidance_scale is None else guidance_scale
        if scale == 1.0:
            return self.conditional(noisy_latents, timesteps)
        unconditional, conditional = self.both(noisy_latents, timesteps)
        guided = guide(unconditional, conditional, scale)
        if self._guidance_rescale > 0:
            guided = rescale(guided, conditional, self._guidance_rescale, self.views_per_group)
        return guided

    def _rows_of(self, text: Text) -> Sequence[Tensor]:
        """The rows of each prediction that `text` is made of."""
        if text is Text.UNCONDITIONAL:
            return [self._negative_rows]
        if text is Text.EMPTY:
            return [self._empty_rows]
        if text is Text.SOURCE:
            return [self._source_rows]
        if self._perp_neg is None:
            return [self._rows]
        return [self._negative_rows, *self._perp_neg.rows[self._used_terms()]]

    def _combine(self, text: Text, predictions: Sequence[Tensor]) -> Tensor:
        if text is not Text.CONDITIONAL or self._perp_neg is None:
            return predictions[0]
        unconditional, used = predictions[0], self._used_terms()
        directions = torch.stack([prediction - unconditional for prediction in predictions[1:]])
        terms = self._perp_neg
        return unconditional + perp_neg_direction(
            directions, terms.positive_weights[used], terms.negative_weights[used]
        )

    def _used_terms(self) -> Tensor:
        """[K] True for the Perp-Neg terms that have weight in any view; the others cost nothing."""
        terms = self._perp_neg
        return ((terms.positive_weights != 0) | (terms.negative_weights != 0)).any(dim=1)

    @torch.no_grad()
    def _evaluate(self, noisy_latents: Tensor, timesteps: Tensor, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """One prediction for each set of rows, from one call of the prior."""
        times, rows, views = len(inputs), torch.cat(list(inputs)), self._views
        self.counter.count += len(rows)
        if times > 1:  # every view once for each of the texts
            noisy_latents, timesteps = torch.cat([noisy_latents] * times), torch.cat([timesteps] * times)
            views = views[torch.arange(len(rows)) % len(views)]
        return self._prior.predict_noise(noisy_latents, timesteps, self._condition[rows], views).chunk(times)


def _place(inputs: list[Tensor], rows: Tensor) -> int:
    """Where `rows` stand among the inputs, appended if they are new."""
    for place, known in enumerate(inputs):
        if torch.equal(known, rows):
            return place
    inputs.append(rows)
    return len(inputs) - 1
