"""The exact denoiser of a finite set of images on any background.

N images, B noisy images, D pixels. An image with colors P (premultiplied) and coverage A in front of a background b is
x = 2 (P + (1 - A) b) - 1 = Y + G b with Y = 2 P - 1 and G = 2 (1 - A): linear in b. Inner products with all N images on
all B backgrounds are therefore matrix products with Y and G, and no image is ever composited.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class EmpiricalDistribution:
    """N equally likely images, each optionally the center of a round Gaussian."""

    def __init__(self, rgba: Float[Tensor, "N height width 4"]) -> None:
        """`rgba` is premultiplied, in [0, 1]."""
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
        self,
        noisy: Float[Tensor, "B 3 height width"],
        background: Float[Tensor, "B 3"],
        signal: Float[Tensor, "B"],
        sigma: Float[Tensor, "B"],
        tau: float = 0.0,
        is_member: Bool[Tensor, "B N"] | None = None,
    ) -> Float[Tensor, "B 3 height width"]:
        """E[x_0 | noisy = signal x_0 + sigma noise].

        x_0 is one of the images that `is_member` marks (all, if None), plus noise of standard deviation `tau`.
        """
        log_weights = self.log_weights(noisy, background, signal, sigma, tau)
        if is_member is not None:
            log_weights = log_weights.masked_fill(~is_member, -torch.inf)
        return self.mean(log_weights.softmax(dim=1), noisy, background, signal, sigma, tau)

    def log_weights(
        self,
        noisy: Float[Tensor, "B 3 height width"],
        background: Float[Tensor, "B 3"],
        signal: Float[Tensor, "B"],
        sigma: Float[Tensor, "B"],
        tau: float = 0.0,
    ) -> Float[Tensor, "B N"]:
        """The logarithm of how likely each image is, up to a constant for each noisy image; in double precision.

        -|r - signal d_i|^2 / (2 variance), d_i being image i less the mean image, r the rest of the noisy image.
        """
        residual = noisy.flatten(2) - signal[:, None, None] * self._center(background)
        products = residual.flatten(1) @ self._colors.T
        products = products + (background[..., None] * residual).sum(1) @ self._gaps.T
        # The rest is small in size but not in digits: at low noise it is divided by a variance near 0.
        background = background.double()
        norms = self._color_norms + 2 * background @ self._cross_terms.T
        norms = norms + background.square().sum(1, keepdim=True) * self._gap_norms
        variance = (sigma.square() + (signal * tau).square())[:, None].double()
        signal = signal[:, None].double()
        return (signal * products.double() - 0.5 * signal.square() * norms) / variance

    def mean(
        self,
        weights: Float[Tensor, "B N"],
        noisy: Float[Tensor, "B 3 height width"],
        background: Float[Tensor, "B 3"],
        signal: Float[Tensor, "B"],
        sigma: Float[Tensor, "B"],
        tau: float = 0.0,
    ) -> Float[Tensor, "B 3 height width"]:
        """The posterior mean when image i has the posterior probability `weights[:, i]`."""
        weights, center = weights.to(noisy.dtype), self._center(background)
        residual = noisy.flatten(2) - signal[:, None, None] * center
        deviation = (weights @ self._colors).view_as(residual)
        deviation = deviation + background[..., None] * (weights @ self._gaps)[:, None]
        # Each Gaussian's own posterior mean lies between its image and the rescaled noisy image.
        variance = sigma.square() + (signal * tau).square()
        share = (signal * tau**2 / variance)[:, None, None]
        mean = center + deviation + share * (residual - signal[:, None, None] * deviation)
        return mean.view_as(noisy)

    def _center(self, background: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3 D"]:
        """The mean image on each background."""
        return self._mean_colors + background[..., None] * self._mean_gaps


def _sum_of_products(a: Float[Tensor, "*#rows M"], b: Float[Tensor, "*#rows M"]) -> Float[Tensor, "*#rows"]:
    """Over the last axis, in double precision."""
    return (a.double() * b.double()).sum(-1)
