"""The exact denoiser of a finite set of images on any background.

N images, B noisy images, D pixels. An image with colors P (premultiplied) and coverage A in front of a background b is
x = 2 (P + (1 - A) b) - 1 = Y + G b with Y = 2 P - 1 and G = 2 (1 - A): linear in b. Inner products with all N images on
all B backgrounds are therefore matrix products with Y and G, and no image is ever composited.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class NoisyImages:
    """signal x_0 + sigma noise, and what is known of it."""

    images: Float[Tensor, "B 3 height width"]
    background: Float[Tensor, "B 3"]
    """Of x_0, a color in [0, 1]."""
    signal: Float[Tensor, "B"]
    sigma: Float[Tensor, "B"]

    def __getitem__(self, rows: Int[Tensor, "R"] | slice) -> "NoisyImages":
        return NoisyImages(self.images[rows], self.background[rows], self.signal[rows], self.sigma[rows])


class EmpiricalDistribution:
    """N equally likely images, each optionally the center of a round Gaussian."""

    def __init__(self, rgba: Float[Tensor, "N height width 4"], tau: float = 0.0) -> None:
        """
        Args:
            rgba: premultiplied, in [0, 1].
            tau: standard deviation of each Gaussian.
        """
        self._tau = tau
        self.shape = tuple(rgba.shape[1:3])
        channels_first = rgba.movedim(-1, 1).flatten(2)
        colors = 2 * channels_first[:, :3] - 1
        gaps = 2 * (1 - channels_first[:, 3])
        # Distances are taken from the mean image: what all images share would only cost digits.
        self._mean_colors, self._mean_gaps = colors.mean(dim=0), gaps.mean(dim=0)
        self._colors = (colors - self._mean_colors).flatten(1)  # [N, 3 D]
        self._gaps = gaps - self._mean_gaps  # [N, D]
        per_channel = self._colors.view(len(rgba), 3, -1)
        # |Y + G b|^2 = |Y|^2 + 2 b . (Y G) + |b|^2 |G|^2
        self._color_norms = _sum_of_products(self._colors, self._colors)
        self._cross_terms = _sum_of_products(per_channel, self._gaps[:, None])
        self._gap_norms = _sum_of_products(self._gaps, self._gaps)

    def __len__(self) -> int:
        return len(self._gaps)

    @property
    def device(self) -> torch.device:
        return self._gaps.device

    def to(self, device: torch.device) -> "EmpiricalDistribution":
        moved = object.__new__(EmpiricalDistribution)
        moved.__dict__ = {
            name: value.to(device) if isinstance(value, Tensor) else value for name, value in vars(self).items()
        }
        return moved

    def posterior_mean(
        self, noisy: NoisyImages, is_member: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B 3 height width"]:
        """E[x_0 | noisy]; `is_member` marks the images that x_0 may be (all, if None)."""
        log_weights = self.log_weights(noisy)
        if is_member is not None:
            log_weights = log_weights.masked_fill(~is_member, -torch.inf)
        return self.mean(log_weights.softmax(dim=1), noisy)

    def log_weights(self, noisy: NoisyImages) -> Float[Tensor, "B N"]:
        """The logarithm of how likely each image is, up to a constant for each noisy image; in double precision.

        -|r - signal d_i|^2 / (2 variance), d_i being image i less the mean image, r the rest of the noisy image.
        """
        residual = self._residual(noisy)
        products = residual.flatten(1) @ self._colors.T
        products = products + (noisy.background[..., None] * residual).sum(1) @ self._gaps.T
        # The rest is small in size but not in digits: at low noise it is divided by a variance near 0.
        background = noisy.background.double()
        norms = self._color_norms + 2 * background @ self._cross_terms.T
        norms = norms + background.square().sum(1, keepdim=True) * self._gap_norms
        variance = self._variance(noisy)[:, None].double()
        signal = noisy.signal[:, None].double()
        return (signal * products.double() - 0.5 * signal.square() * norms) / variance

    def mean(self, weights: Float[Tensor, "B N"], noisy: NoisyImages) -> Float[Tensor, "B 3 height width"]:
        """The posterior mean when image i has the posterior probability `weights[:, i]`."""
        weights, residual = weights.to(noisy.images.dtype), self._residual(noisy)
        deviation = (weights @ self._colors).view_as(residual)
        deviation = deviation + noisy.background[..., None] * (weights @ self._gaps)[:, None]
        # Each Gaussian's own posterior mean lies between its image and the rescaled noisy image.
        share = (noisy.signal * self._tau**2 / self._variance(noisy))[:, None, None]
        mean = self._center(noisy.background) + deviation
        mean = mean + share * (residual - noisy.signal[:, None, None] * deviation)
        return mean.view_as(noisy.images)

    def _variance(self, noisy: NoisyImages) -> Float[Tensor, "B"]:
        """Of a noisy image around each image, rescaled."""
        return noisy.sigma.square() + (noisy.signal * self._tau).square()

    def _residual(self, noisy: NoisyImages) -> Float[Tensor, "B 3 D"]:
        """What the mean image does not explain."""
        return noisy.images.flatten(2) - noisy.signal[:, None, None] * self._center(noisy.background)

    def _center(self, background: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3 D"]:
        """The mean image on each background."""
        return self._mean_colors + background[..., None] * self._mean_gaps


def _sum_of_products(a: Float[Tensor, "*#rows M"], b: Float[Tensor, "*#rows M"]) -> Float[Tensor, "*#rows"]:
    """Over the last axis, in double precision."""
    return (a.double() * b.double()).sum(-1)
