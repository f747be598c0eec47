"""The score of what the run itself makes, which variational score distillation subtracts.

B views, M particles.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...priors.noise_process import NoiseProcess
from ..step import GuidedStep


class ParticleScore(ABC):
    """Predicts the noise in a noised render of the current object, as a denoiser trained on its renders would."""

    @abstractmethod
    def predict(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"], knows_camera: bool
    ) -> Float[Tensor, "B ..."]:
        """The noise, without gradient.

        Args:
            knows_camera: True for the distribution of renders from each view's camera, False from any camera.
        """


class ExactParticles(ParticleScore):
    """What a network trained on a handful of images would learn: M equally likely ones, each a round Gaussian's center.

    A single particle without width turns VSD into SDS: the only noise that can be in a_t x + s_t eps is eps.
    """

    def __init__(
        self,
        schedule: NoiseProcess,
        particles: Float[Tensor, "M ..."],
        width: float = 0.0,
        seen_from: Int[Tensor, "M"] | None = None,
    ) -> None:
        """
        Args:
            width: standard deviation of each Gaussian, in latent units.
            seen_from: which camera sees each particle, for predictions that know the camera: row i of what is predicted
                is then seen by the camera of particle i. Without it, every camera sees every particle.
        """
        self._schedule = schedule
        self._particles = particles.detach()
        self._width = width
        self._seen_from = seen_from

    def predict(
        self, noisy_latents: Float[Tensor, "B ..."], timesteps: Int[Tensor, "B"], knows_camera: bool
    ) -> Float[Tensor, "B ..."]:
        noisy, centers = noisy_latents.flatten(1).double(), self._particles.flatten(1).to(noisy_latents).double()
        signal, sigma = self._schedule.signal_and_noise_scales(timesteps, noisy)
        variance = sigma.square() + (signal * self._width).square()
        # |x_t - a x|^2 = |x_t|^2 - 2 a x_t.x + a^2 |x|^2, of which the first term is the same for every particle.
        logits = (signal * noisy @ centers.T - 0.5 * signal.square() * centers.square().sum(dim=1)) / variance
        if knows_camera and self._seen_from is not None:
            is_other_view = self._seen_from[:, None] != self._seen_from[None]
            logits = logits.masked_fill(is_other_view.to(logits.device), -torch.inf)
        mean = logits.softmax(dim=1) @ centers
        # The score of the mixture is minus the mean offset over the variance; the noise is minus s_t times the score.
        predicted = sigma / variance * (noisy - signal * mean)
        return predicted.to(noisy_latents).view_as(noisy_latents)


def of_this_step(step: GuidedStep) -> Mapping[str, object]:
    """The exact score of a step's own latents, views with the same text being seen by one camera."""
    rows = step.prompts.rows(step.views.cameras)
    return {"particles": ExactParticles(step.prior.schedule, step.latents, seen_from=rows)}
