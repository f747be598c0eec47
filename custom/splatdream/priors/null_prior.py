"""A prior that says nothing: to count what a guidance method asks for, without asking it of a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .base import Condition, DiffusionPrior, Views
from .noise_process import VariancePreserving


@dataclass(frozen=True)
class NoCondition(Condition):
    """Rows that say nothing."""

    num_rows: int

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, rows: Int[Tensor, "R"]) -> "NoCondition":
        return NoCondition(len(rows))


class NullPrior(DiffusionPrior):
    """Latents are the images, channels first. What a method asks for depends on timesteps and groups, not on images."""

    def __init__(self, views_per_group: int = 1) -> None:
        self.schedule = VariancePreserving.scaled_linear()
        self.views_per_group = views_per_group
        # The parts that low-rank weights look for.
        self.network = nn.ModuleDict({"to_q": nn.Linear(1, 1)})
        self.time_embedding, self.time_embedding_width = nn.Identity(), 1

    def encode_texts(self, texts: Sequence[str]) -> NoCondition:
        return NoCondition(len(texts))

    def encode_images(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
        return rgb.movedim(-1, 1)

    def decode_latents(self, latents: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B h w 3"]:
        return latents.movedim(1, -1)

    def predict_noise(
        self,
        noisy_latents: Float[Tensor, "B 3 h w"],
        timesteps: Int[Tensor, "B"],
        condition: NoCondition,
        views: Views,
    ) -> Float[Tensor, "B 3 h w"]:
        return torch.zeros_like(noisy_latents)
