"""The registered reward that comes with the package: how well an image fits the prompt by CLIP."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ..host import BaseObject, register
from ..priors.clip_alignment import ClipSimilarity


@register("splatdream-clip-reward")
class ClipReward(BaseObject):
    """`reward(images, texts)`, 100 times the cosine of each image and its text (arXiv:2103.00020)."""

    @dataclass
    class Config(BaseObject.Config):
        model: str = ""
        """Folder or hub id of a CLIP model, e.g. openai/clip-vit-base-patch32."""

    cfg: Config

    def configure(self) -> None:
        if not self.cfg.model:
            raise ValueError("guidance.reward.model is empty; name a folder or hub id of a CLIP model")
        self._similarity = ClipSimilarity(self.cfg.model)

    def __call__(self, images: Float[Tensor, "B H W 3"], texts: Sequence[str]) -> Float[Tensor, "B"]:
        return 100 * self._similarity(images, texts).diagonal()
