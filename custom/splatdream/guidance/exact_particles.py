"""The exact score of a handful of images: what a network trained on nothing else would learn.

B views, M particles.
"""

from jaxtyping import Float, Int
from torch import Tensor

from ..priors.noise_schedule import NoiseSchedule
from .particle_score import ParticleScore


class ExactParticles(ParticleScore):
    """M equally likely images, each the center of a round Gaussian. They stand for every camera alike.

    A single particle without width turns VSD into SDS: the only noise that can be in a_t x + s_t eps is eps.
    """

    def __init__(self, schedule: NoiseSchedule, particles: Float[Tensor, "M ..."], width: float = 0.0) -> None:
        """`width` is the standard deviation of each Gaussian, in latent units."""
        self._schedule = schedule
        self._particles = particles.detach()
        self._width = width

    def predict(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"], knows_camera: bool
    ) -> Float[Tensor, "B ..."]:
        noisy, centers = noisy_latents.flatten(1).double(), self._particles.flatten(1).to(noisy_latents).double()
        signal, sigma = self._schedule.signal_and_noise_scales(timesteps, noisy)
        variance = sigma.square() + (signal * self._width).square()
        offsets = noisy[:, None] - signal[:, :, None] * centers[None]
        weights = (-offsets.square().sum(-1) / (2 * variance)).softmax(dim=1)
        # The score of the mixture is minus the mean offset over the variance; the noise is minus s_t times the score.
        mean_offset = (weights[:, :, None] * offsets).sum(dim=1)
        return (sigma / variance * mean_offset).to(noisy_latents).view_as(noisy_latents)
