"""How well views fit a prompt by CLIP (arXiv:2103.00020). It does not see a second face: never use it alone."""

import json
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ..prompts.prompt_library import LIBRARY_PATH
from .latent_diffusion import resized

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the images that CLIP was trained on."""


class ClipSimilarity:
    """A CLIP model with its tokenizer, which moves to where images are."""

    def __init__(self, model: str) -> None:
        """
        Args:
            model: a folder or hub id.

        Raises:
            ValueError: there is no such model.
        """
        from transformers import AutoTokenizer, CLIPModel

        try:
            self._clip, self._tokenizer = CLIPModel.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
        except OSError as error:
            raise ValueError(f"no CLIP model at '{model}': name a folder or a hub id") from error

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "N H W 3"], texts: Sequence[str]) -> Float[Tensor, "N T"]:
        """The cosine of every image, square and in [0, 1], with every text."""
        clip, device = self._clip.to(images.device), images.device
        pixels = resized(images.movedim(-1, 1).float(), clip.config.vision_config.image_size)
        mean, std = (torch.tensor(numbers, device=device)[:, None, None] for numbers in (_MEAN, _STD))
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(device)
        output = clip(**tokens, pixel_values=(pixels - mean) / std)
        return (
            torch.nn.functional.normalize(output.image_embeds, dim=-1)
            @ torch.nn.functional.normalize(output.text_embeds, dim=-1).T
        )


def alignment(
    model: str, prompt: str, images: Float[Tensor, "N H W 3"], others: Sequence[str] | None = None
) -> dict[str, object]:
    """`clip_score`, 100 times the mean cosine of views and prompt; `r_precision`, the share of views that fit no other
    prompt better (arXiv:2112.01455).

    Args:
        model: a folder or hub id.
        images: square, in [0, 1].
        others: the other prompts; None for the prompt library.

    Raises:
        ValueError: there is no such model.
    """
    if others is None:
        others = [text for group in json.loads(LIBRARY_PATH.read_text()).values() for text in group]
    texts = [prompt, *(other for other in others if other != prompt)]
    cosines = ClipSimilarity(model)(images.cpu(), texts)
    return {
        "model": model,
        "clip_score": 100 * float(cosines[:, 0].mean()),
        "r_precision": float((cosines.argmax(dim=1) == 0).float().mean()),
        "num_other_prompts": len(texts) - 1,
    }
