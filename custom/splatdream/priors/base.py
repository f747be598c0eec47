"""The interface of a diffusion prior: texts, images, cameras and a timestep go in, a noise prediction comes out.

B views, ... the shape of one latent.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from ..cameras.batch import CameraBatch, picked
from .noise_process import NoiseProcess


class Condition(ABC):
    """What a prior made of some texts. Opaque: only the prior that made it looks inside.

    Rows can be picked, repeated and reordered, which is all that guidance and Perp-Neg need.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many rows, one a text."""

    @abstractmethod
    def __getitem__(self, rows: Int[Tensor, "R"]) -> "Condition":
        """The chosen rows, in the given order; a row may appear more than once."""


@dataclass(frozen=True)
class Views:
    """What is known of the B images besides their pixels."""

    cameras: CameraBatch
    background: Float[Tensor, "B 3"]
    """The color in [0, 1] behind the object of each view."""

    def __len__(self) -> int:
        return len(self.cameras)

    def __getitem__(self, rows: Int[Tensor, "R"]) -> "Views":
        return Views(self.cameras[rows], picked(self.background, rows))


class DiffusionPrior(ABC):
    """A frozen model of images. Every adapter owns one library; nothing outside it knows which."""

    schedule: NoiseProcess

    views_per_group: int = 1
    """How many consecutive views one prediction looks at together (4 for MVDream)."""

    prompt_suffix: str = ""
    """What this prior's training captions end in; guidance adds it to the prompt, not to the negative prompt."""

    network: nn.Module | None = None
    """The frozen denoising network, a UNet or transformer of diffusers, for methods that train low-rank weights on it
    (VSD); None if there is none. `predict_noise` calls it and lets gradients through to weights that require them."""

    reads_texts: bool = True
    """False where any text that is not empty means the same, and a negative prompt nothing (Zero-1-to-3)."""

    prediction_type: str = "epsilon"
    """What the network itself predicts: epsilon, v_prediction (the velocity of the noise process) or sample."""

    time_embedding: nn.Module | None = None
    """The part of `network` that embeds the timestep: what else a view is told may be added to what it returns."""

    time_embedding_width: int = 0
    """Numbers that it returns for one view."""

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Condition:
        """One row a text. The empty text is the unconditional row.

        Raises:
            ValueError: a text that this prior cannot read; the message says what it can.
        """

    @abstractmethod
    def encode_images(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B ..."]:
        """Latents of images in [0, 1]; differentiable; resizes to the prior's own resolution."""

    @abstractmethod
    def decode_latents(self, latents: Float[Tensor, "B ..."]) -> Float[Tensor, "B h w 3"]:
        """Images in [0, 1] of latents."""

    @abstractmethod
    def predict_noise(
        self,
        noisy_latents: Float[Tensor, "B ..."],
        timesteps: Int[Tensor, "B"],
        condition: Condition,
        views: Views,
    ) -> Float[Tensor, "B ..."]:
        """The noise in `noisy_latents`, whatever the network itself predicts (noise, v, x_0).

        `condition` has one row a latent. For a prior with `views_per_group` > 1, consecutive latents form the groups.
        One call counts as B denoiser evaluations.
        """

    def manifest(self) -> dict[str, object]:
        """What identifies this prior in a run manifest: ids, revisions, hashes, settings. Plain types."""
        return {"name": type(self).__name__}
