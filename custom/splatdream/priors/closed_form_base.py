"""What the closed-form priors share: captions, images as latents, and noise from a posterior mean.

B views.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..toybox.vocabulary import ToyboxCaption, parse_caption
from .base import Condition, DiffusionPrior, Views
from .empirical_distribution import NoisyImages
from .noise_process import NoiseProcess, VariancePreserving


@dataclass(frozen=True)
class CaptionCondition(Condition):
    """Parsed captions; None is the unconditional row."""

    captions: tuple[ToyboxCaption | None, ...]

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, rows: Int[Tensor, "R"]) -> "CaptionCondition":
        return CaptionCondition(tuple(self.captions[row] for row in rows.tolist()))


class ExactPrior(DiffusionPrior):
    """An exact denoiser of toybox images. Latents are images in [-1, 1], [B, 3, size, size]."""

    def __init__(self, tau: float, size: int, schedule: NoiseProcess | None) -> None:
        """
        Args:
            tau: standard deviation of the round Gaussian that stands at each image, in latent units.
            size: height and width of the images, pixels.
            schedule: Stable Diffusion's, if None.
        """
        if tau < 0:
            raise ValueError(f"tau {tau} must not be negative")
        if size < 1:
            raise ValueError(f"size {size} must be at least 1 pixel; the default is 64")
        self.schedule = schedule or VariancePreserving.scaled_linear()
        self._tau = tau
        self._size = size

    def encode_texts(self, texts: Sequence[str]) -> CaptionCondition:
        return CaptionCondition(tuple(parse_caption(text) if text.strip() else None for text in texts))

    def encode_images(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 size size"]:
        images = rgb.movedim(-1, 1)
        size = (self._size, self._size)
        if images.shape[-2:] != size:
            is_larger = min(images.shape[-2:]) >= self._size
            # Averaging over areas is how the toybox's own images were made from finer ones.
            mode = {"mode": "area"} if is_larger else {"mode": "bilinear", "align_corners": False}
            images = torch.nn.functional.interpolate(images, size, **mode)
        return 2 * images - 1

    def decode_latents(self, latents: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B h w 3"]:
        return (0.5 * latents.movedim(1, -1) + 0.5).clamp(0, 1)

    def predict_noise(
        self,
        noisy_latents: Float[Tensor, "B 3 size size"],
        timesteps: Int[Tensor, "B"],
        condition: CaptionCondition,
        views: Views,
    ) -> Float[Tensor, "B 3 size size"]:
        clean = self.predict_clean(noisy_latents, timesteps, condition, views)
        return self.schedule.noise_from_clean(noisy_latents, clean, timesteps)

    def predict_clean(
        self,
        noisy_latents: Float[Tensor, "B 3 size size"],
        timesteps: Int[Tensor, "B"],
        condition: CaptionCondition,
        views: Views,
    ) -> Float[Tensor, "B 3 size size"]:
        """The posterior mean E[x_0 | x_t].

        Raises:
            ValueError: not every latent has its caption and its view.
        """
        if not len(noisy_latents) == len(condition) == len(views):
            raise ValueError(
                f"{len(noisy_latents)} latents need as many condition rows and views, "
                f"got {len(condition)} and {len(views)}"
            )
        signal, sigma = self.schedule.signal_and_noise_scales(timesteps, noisy_latents)
        noisy = NoisyImages(noisy_latents, views.background.to(noisy_latents), signal.flatten(), sigma.flatten())
        return self._posterior_mean(noisy, condition.captions, views)

    @abstractmethod
    def _posterior_mean(
        self, noisy: NoisyImages, captions: tuple[ToyboxCaption | None, ...], views: Views
    ) -> Float[Tensor, "B 3 size size"]:
        """E[x_0 | x_t]."""


def check_square(views: Views) -> None:
    """
    Raises:
        ValueError: the cameras' images are not square.
    """
    cameras = views.cameras
    if cameras.width != cameras.height:
        raise ValueError(
            f"the closed-form prior sees square images, not {cameras.width} x {cameras.height}; "
            "set data.width equal to data.height"
        )
