"""What Stable Diffusion 3's transformer reads of a text (arXiv:2403.03206, sec. 4, "Text encoders").

B texts, L tokens of CLIP, K tokens of T5, C channels of a text, P pooled channels.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

NUM_T5_TOKENS = 256
"""Tokens of T5, or of zeros in its place, as diffusers' pipeline takes unless told otherwise."""


def clip_outputs(
    encoder: nn.Module, token_ids: Int[Tensor, "B L"]
) -> tuple[Float[Tensor, "B L C"], Float[Tensor, "B P"]]:
    """Hidden states before the last layer, and the projected pooled output, of a CLIPTextModelWithProjection."""
    outputs = encoder(token_ids, output_hidden_states=True)
    return outputs.hidden_states[-2], outputs.text_embeds


def joint_context(
    clip_states: Sequence[Float[Tensor, "B L _"]], t5_states: Float[Tensor, "B K C"] | None, width: int
) -> Float[Tensor, "B _ C"]:
    """CLIP's channels side by side, filled up to `width` with zeros, then T5's tokens.

    Without T5 one token of zeros follows, which stands for `NUM_T5_TOKENS` (see `count_last_token`).
    """
    clip = torch.cat(list(clip_states), dim=-1)
    clip = nn.functional.pad(clip, (0, width - clip.shape[-1]))
    return torch.cat([clip, torch.zeros_like(clip[:, :1]) if t5_states is None else t5_states], dim=1)
