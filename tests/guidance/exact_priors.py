"""Diffusion priors whose data distribution is known, so that what a method must do can be worked out on paper."""

from dataclasses import dataclass

import torch
from splatdream.cameras.batch import orbit_cameras
from splatdream.guidance.denoiser import Denoiser
from splatdream.priors.base import Condition, DiffusionPrior, Views
from splatdream.priors.noise_process import NoiseProcess, VariancePreserving
from torch import Tensor


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians; of width 0 they are points."""

    means: Tensor
    width: float = 0.0

    def noise(self, noisy: Tensor, signal: Tensor, sigma: Tensor) -> Tensor:
        """The exact noise prediction: -sigma times the score of the noised mixture."""
        variance = sigma**2 + (signal * self.width) ** 2
        offsets = noisy[:, None] - signal[:, None] * self.means.to(noisy)[None]
        squares = offsets.square().flatten(2).sum(-1)
        weights = (-squares / (2 * variance.flatten(1))).softmax(dim=1)
        mean_offset = (weights.view(*weights.shape, *[1] * (noisy.ndim - 1)) * offsets).sum(dim=1)
        return sigma / variance * mean_offset


@dataclass(frozen=True)
class Mixtures(Condition):
    """One mixture a text."""

    rows: tuple[Mixture, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Tensor) -> "Mixtures":
        return Mixtures(tuple(self.rows[row] for row in rows.tolist()))


class MixturePrior(DiffusionPrior):
    """Knows a mixture for each text. Latents are what images are, channels first."""

    def __init__(self, mixtures: dict[str, Mixture], schedule: NoiseProcess | None = None) -> None:
        self.schedule = schedule or VariancePreserving.scaled_linear()
        self.mixtures = mixtures

    def encode_texts(self, texts):
        return Mixtures(tuple(self.mixtures[text] for text in texts))

    def encode_images(self, rgb):
        return rgb.movedim(-1, 1)

    def decode_latents(self, latents):
        return latents.movedim(1, -1)

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        assert len(noisy_latents) == len(timesteps) == len(condition) == len(views)
        signal, sigma = self.schedule.signal_and_noise_scales(timesteps, noisy_latents)
        predictions = torch.empty_like(noisy_latents)
        for mixture in {id(row): row for row in condition.rows}.values():
            rows = [index for index, row in enumerate(condition.rows) if row is mixture]
            predictions[rows] = mixture.noise(noisy_latents[rows], signal[rows], sigma[rows])
        return predictions


def make_denoiser(
    conditional, unconditional, guidance_scale, num_views, empty=None, others=(), source=None, schedule=None, **kwargs
):
    """A denoiser that knows a mixture for the text, the negative prompt, the empty text (by default that), others."""
    mixtures = {"text": conditional, "negative": unconditional, "empty": empty or unconditional}
    mixtures |= {} if source is None else {"source": source}
    mixtures |= {f"other {index}": mixture for index, mixture in enumerate(others)}
    prior = MixturePrior(mixtures, schedule)
    views = Views(orbit_cameras([0.0] * num_views, [0.0] * num_views), torch.ones(num_views, 3))
    row = lambda index: torch.full((num_views,), index)  # noqa: E731
    return Denoiser(
        prior,
        prior.encode_texts(list(mixtures)),
        row(0),
        row(1),
        views,
        guidance_scale,
        empty_rows=None if empty is None else row(2),
        source_rows=None if source is None else row(3),
        **kwargs,
    )
