"""Linear noise processes x_t = a_t x_0 + s_t noise, and what networks predict about them.

T timesteps, from 0 (nearly clean) to T - 1 (nearly noise alone); B images.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..storage.device_copies import sent

Images = Float[Tensor, "B ..."]
"""Clean or noisy images, noise, or numbers that broadcast against them."""
Timesteps = Int[Tensor, "B"]


@dataclass(frozen=True)
class NoiseProcess(ABC):
    """How noise enters, and the conversions between predictions of the noise, of x_0 and of a velocity.

    A kind of process is its scales a, s and those of its velocity c noise + d x_0, with a c - s d = 1. So x_t and the
    velocity together are two equations for noise and x_0 with the determinant 1.
    """

    kind: ClassVar[str]
    """Name of the kind, for methods that have a meaning on some kinds only."""
    levels: Float[Tensor, "T"]
    """One number for each timestep, from which its scales follow; the kind says which."""

    def __len__(self) -> int:
        return len(self.levels)

    @staticmethod
    @abstractmethod
    def _scales(levels: Tensor) -> tuple[Tensor, Tensor]:
        """a_t and s_t."""

    @staticmethod
    @abstractmethod
    def _squared_scales(levels: Tensor) -> tuple[Tensor, Tensor]:
        """a_t^2 and s_t^2, with the fewest roundings."""

    @staticmethod
    @abstractmethod
    def _velocity_scales(signal: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """c_t and d_t where a_t and s_t are `signal` and `sigma`."""

    @abstractmethod
    def added_variance(self, timesteps: Timesteps, later: Timesteps, like: Images) -> Images:
        """Variance of the fresh noise in x_later given x_t: s_later^2 - (a_later / a_t)^2 s_t^2."""

    def signal_and_noise_scales(self, timesteps: Timesteps, like: Images) -> tuple[Images, Images]:
        """a_t and s_t of each image, shaped to broadcast against `like` and on its device."""
        return self._scales(self._levels_at(timesteps, like))

    def squared_scales(self, timesteps: Timesteps, like: Images) -> tuple[Images, Images]:
        """a_t^2 and s_t^2, likewise."""
        return self._squared_scales(self._levels_at(timesteps, like))

    def add_noise(self, clean: Images, noise: Images, timesteps: Timesteps) -> Images:
        """x_t = a_t x_0 + s_t noise."""
        signal, sigma = self.signal_and_noise_scales(timesteps, clean)
        return signal * clean + sigma * noise

    def velocity(self, clean: Images, noise: Images, timesteps: Timesteps) -> Images:
        """c_t noise + d_t x_0."""
        of_noise, of_clean = self._velocity_scales(*self.signal_and_noise_scales(timesteps, clean))
        return of_noise * noise + of_clean * clean

    def clean_and_noise(self, noisy: Images, velocity: Images, timesteps: Timesteps) -> tuple[Images, Images]:
        """The x_0 and the noise that a predicted velocity implies: c_t x_t - s_t velocity, a_t velocity - d_t x_t."""
        signal, sigma = self.signal_and_noise_scales(timesteps, noisy)
        of_noise, of_clean = self._velocity_scales(signal, sigma)
        return of_noise * noisy - sigma * velocity, signal * velocity - of_clean * noisy

    def clean_from_noise(self, noisy: Images, predicted_noise: Images, timesteps: Timesteps) -> Images:
        """The x_0 that a predicted noise implies: (x_t - s_t noise) / a_t."""
        signal, sigma = self.signal_and_noise_scales(timesteps, noisy)
        return (noisy - sigma * predicted_noise) / signal

    def noise_from_clean(self, noisy: Images, clean: Images, timesteps: Timesteps) -> Images:
        """The noise that a predicted x_0 implies: (x_t - a_t x_0) / s_t."""
        signal, sigma = self.signal_and_noise_scales(timesteps, noisy)
        return (noisy - signal * clean) / sigma

    def _levels_at(self, timesteps: Timesteps, like: Images) -> Images:
        levels = sent(self.levels, timesteps.device)[timesteps]
        return sent(levels, like.device, like.dtype).reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True)
class VariancePreserving(NoiseProcess):
    """a_t^2 + s_t^2 = 1; the velocity is a_t noise - s_t x_0 (DDPM, arXiv:2006.11239; arXiv:2202.00512, app. D)."""

    kind = "variance preserving"

    @property
    def alphas_cumprod(self) -> Float[Tensor, "T"]:
        """a_t^2 at each timestep, falling from nearly 1 to nearly 0: the levels."""
        return self.levels

    @staticmethod
    def scaled_linear(
        beta_start: float = 0.00085, beta_end: float = 0.012, num_timesteps: int = 1000
    ) -> "VariancePreserving":
        """Stable Diffusion's schedule: the square roots of the betas are linear."""
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, num_timesteps, dtype=torch.float64) ** 2
        return VariancePreserving(torch.cumprod(1 - betas, dim=0).float())

    @staticmethod
    def _scales(levels: Tensor) -> tuple[Tensor, Tensor]:
        return levels.sqrt(), (1 - levels).sqrt()

    @staticmethod
    def _squared_scales(levels: Tensor) -> tuple[Tensor, Tensor]:
        return levels, 1 - levels

    @staticmethod
    def _velocity_scales(signal: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return signal, -sigma

    def added_variance(self, timesteps: Timesteps, later: Timesteps, like: Images) -> Images:
        signal, _ = self.signal_and_noise_scales(timesteps, like)
        signal_later, _ = self.signal_and_noise_scales(later, like)
        return 1 - (signal_later / signal).square()


@dataclass(frozen=True)
class RectifiedFlow(NoiseProcess):
    """a_t = 1 - s_t; the velocity is noise - x_0 = d x / d s, constant along a path (arXiv:2209.03003).

    The levels are s_t, rising inside (0, 1).
    """

    kind = "rectified flow"

    def __post_init__(self) -> None:
        if not (self.levels.diff(prepend=self.levels.new_zeros(1)) > 0).all() or self.levels[-1] >= 1:
            raise ValueError(
                f"noise levels of a rectified flow must rise inside (0, 1), got {self.levels[0]:g} to "
                f"{self.levels[-1]:g}; leave out a level without noise, and one of noise alone"
            )

    @staticmethod
    def shifted(shift: float = 1.0, num_timesteps: int = 1000) -> "RectifiedFlow":
        """Evenly spaced levels, each in the middle of its share of (0, 1), moved toward noise by `shift` > 1."""
        if shift <= 0:
            raise ValueError(f"shift {shift} must be positive; 1 leaves the levels where they are")
        levels = (torch.arange(num_timesteps, dtype=torch.float64) + 0.5) / num_timesteps
        return RectifiedFlow(shifted_levels(levels, shift).float())

    @staticmethod
    def _scales(levels: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - levels, levels

    @staticmethod
    def _squared_scales(levels: Tensor) -> tuple[Tensor, Tensor]:
        return (1 - levels).square(), levels.square()

    @staticmethod
    def _velocity_scales(signal: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(signal), -torch.ones_like(sigma)

    def added_variance(self, timesteps: Timesteps, later: Timesteps, like: Images) -> Images:
        signal, sigma = self.signal_and_noise_scales(timesteps, like)
        signal_later, sigma_later = self.signal_and_noise_scales(later, like)
        return sigma_later.square() - (signal_later / signal * sigma).square()


def shifted_levels(levels: Float[Tensor, "T"], shift: float) -> Float[Tensor, "T"]:
    """A flow's levels for larger images, of which noise hides less (Stable Diffusion 3, arXiv:2403.03206)."""
    return shift * levels / (1 + (shift - 1) * levels)
