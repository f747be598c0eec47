"""Priors that know one image for every text, or one for every camera: their errors can be worked out on paper."""

from dataclasses import dataclass

import torch
from splatdream.priors.base import Condition, DiffusionPrior
from splatdream.priors.noise_process import VariancePreserving
from torch import Tensor


@dataclass(frozen=True)
class Grays(Condition):
    """The gray of the image that each text knows."""

    values: Tensor

    def __len__(self):
        return len(self.values)

    def __getitem__(self, rows):
        return Grays(self.values[rows])


class _Prior(DiffusionPrior):
    """Latents are images; a denoiser that knows the one image x* predicts (x_t - a x*) / s."""

    def __init__(self):
        self.schedule = VariancePreserving.scaled_linear()

    def encode_images(self, rgb):
        return rgb.movedim(-1, 1)

    def decode_latents(self, latents):
        return latents.movedim(1, -1)

    def _noise(self, noisy, timesteps, known):
        signal, sigma = self.schedule.signal_and_noise_scales(timesteps, noisy)
        return (noisy - signal * known[:, None, None, None]) / sigma


class GrayByWord(_Prior):
    """Front is black, side gray, back white; without a view word, another gray."""

    def encode_texts(self, texts):
        words = {"front": 0.0, "side": 0.5, "back": 1.0}
        return Grays(torch.tensor([next((v for word, v in words.items() if word in text), 0.3) for text in texts]))

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        return self._noise(noisy_latents, timesteps, condition.values)


class GrayByAzimuth(_Prior):
    """The image of a camera at azimuth a is a / 360 gray."""

    views_per_group = 4

    def encode_texts(self, texts):
        return Grays(torch.zeros(len(texts)))

    def predict_noise(self, noisy_latents, timesteps, condition, views):
        return self._noise(noisy_latents, timesteps, views.cameras.azimuth_deg.remainder(360) / 360)
