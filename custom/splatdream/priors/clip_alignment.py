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


@torch.no_grad()
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
    from transformers import AutoTokenizer, CLIPModel

    if others is None:
        others = [text for group in json.loads(LIBRARY_PATH.read_text()).values() for text in group]
    try:
        clip, tokenizer = CLIPModel.from_pretrained(model).eval(), AutoTokenizer.from_pretrained(model)
    except OSError as error:
        raise ValueError(f"no CLIP model at '{model}': name a folder or a hub id") from error
    texts = [prompt, *(other for other in others if other != prompt)]
    pixels = resized(images.movedim(-1, 1).float().cpu(), clip.config.vision_config.image_size)
    pixels = (pixels - torch.tensor(_MEAN)[:, None, None]) / torch.tensor(_STD)[:, None, None]
    tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    output = clip(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], pixel_values=pixels)
    cosines = (
        torch.nn.functional.normalize(output.image_embeds, dim=-1)
        @ torch.nn.functional.normalize(output.text_embeds, dim=-1).T
    )
    return {
        "model": model,
        "clip_score": 100 * float(cosines[:, 0].mean()),
        "r_precision": float((cosines.argmax(dim=1) == 0).float().mean()),
        "num_other_prompts": len(texts) - 1,
    }
