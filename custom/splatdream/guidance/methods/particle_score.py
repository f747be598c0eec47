"""The score of what the run itself makes, which variational score distillation subtracts.

B views, M particles.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor


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
