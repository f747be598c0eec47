"""Forward process x_t = a_t x_0 + s_t noise with a_t^2 + s_t^2 = 1, and what networks predict about it.

T timesteps, B images.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class NoiseSchedule:
    """A variance-preserving schedule, by its cumulative products (DDPM, arXiv:2006.11239, eq. 4)."""

    alphas_cumprod: Float[Tensor, "T"]
    """a_t^2 at each timestep, falling from nearly 1 to nearly 0."""

    @staticmethod
    def scaled_linear(
        beta_start: float = 0.00085, beta_end: float = 0.012, num_timesteps: int = 1000
    ) -> "NoiseSchedule":
        """Stable Diffusion's schedule: the square roots of the betas are linear."""
        betas = torch.linspace(beta_start**0.5, beta_end**0.5, num_timesteps, dtype=torch.float64) ** 2
        return NoiseSchedule(torch.cumprod(1 - betas, dim=0).float())

    def __len__(self) -> int:
        return len(self.alphas_cumprod)

    def signal_and_noise_scales(
        self, timesteps: Int[Tensor, "B"], like: Float[Tensor, "B ..."]
    ) -> tuple[Float[Tensor, "B ..."], Float[Tensor, "B ..."]]:
        """a_t and s_t of each image, shaped to broadcast against `like` and on its device."""
        alphas_cumprod = self.alphas_cumprod.to(like)[timesteps.to(like.device)]
        alphas_cumprod = alphas_cumprod.reshape(-1, *[1] * (like.ndim - 1))
        return alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()

    def add_noise(
        self, latents: Float[Tensor, "B ..."], noise: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"]
    ) -> Float[Tensor, "B ..."]:
        """x_t = a_t x_0 + s_t noise."""
        signal, sigma = self.signal_and_noise_scales(timesteps, latents)
        return signal * latents + sigma * noise

    def clean_from_noise(
        self,
        noisy_latents: Float[Tensor, "B ..."],
        predicted_noise: Float[Tensor, "B ..."],
        timesteps: Int[Tensor, "B"],
    ) -> Float[Tensor, "B ..."]:
        """The x_0 that a predicted noise implies: (x_t - s_t noise) / a_t."""
        signal, sigma = self.signal_and_noise_scales(timesteps, noisy_latents)
        return (noisy_latents - sigma * predicted_noise) / signal

    def noise_from_clean(
        self,
        noisy_latents: Float[Tensor, "B ..."],
        clean: Float[Tensor, "B ..."],
        timesteps: Int[Tensor, "B"],
    ) -> Float[Tensor, "B ..."]:
        """The noise that a predicted x_0 implies: (x_t - a_t x_0) / s_t."""
        signal, sigma = self.signal_and_noise_scales(timesteps, noisy_latents)
        return (noisy_latents - signal * clean) / sigma

    def noise_from_velocity(
        self,
        noisy_latents: Float[Tensor, "B ..."],
        velocity: Float[Tensor, "B ..."],
        timesteps: Int[Tensor, "B"],
    ) -> Float[Tensor, "B ..."]:
        """The noise that a v-prediction v = a_t noise - s_t x_0 implies (arXiv:2202.00512, app. D)."""
        signal, sigma = self.signal_and_noise_scales(timesteps, noisy_latents)
        return signal * velocity + sigma * noisy_latents
