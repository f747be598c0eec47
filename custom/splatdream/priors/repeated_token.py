"""Many equal tokens at the end of a text, computed once.

Stable Diffusion 3 without its T5 encoder reads 256 tokens of zeros in T5's place. Tokens of a text have no position, so
equal ones stay equal in every layer, and n of them weigh in a softmax like one whose logit is larger by log n: the same
answer at a quarter of the cost.

B images, N image tokens, L text tokens, C channels, H heads.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class CountedLastToken:
    """An attention processor of diffusers for joint attention whose last text token stands for `count` equal ones."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Float[Tensor, "B N C"],
        encoder_hidden_states: Float[Tensor, "B L C"],
        attention_mask: None = None,
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B L C"]]:
        """Image and text tokens after attention to all of them (arXiv:2403.03206, fig. 2b)."""

        def heads(tokens: Tensor, norm: nn.Module | None) -> Float[Tensor, "B H T D"]:
            split = tokens.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            return split if norm is None else norm(split)

        of_images = (
            heads(attn.to_q(hidden_states), attn.norm_q),
            heads(attn.to_k(hidden_states), attn.norm_k),
            heads(attn.to_v(hidden_states), None),
        )
        of_texts = (
            heads(attn.add_q_proj(encoder_hidden_states), attn.norm_added_q),
            heads(attn.add_k_proj(encoder_hidden_states), attn.norm_added_k),
            heads(attn.add_v_proj(encoder_hidden_states), None),
        )
        query, key, value = (torch.cat(both, dim=2) for both in zip(of_images, of_texts, strict=True))
        bias = torch.zeros(key.shape[2], dtype=query.dtype, device=query.device)
        bias[-1] = math.log(self.count)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.expand(query.shape[2], -1))
        images, texts = mixed.transpose(1, 2).flatten(2).split([of_images[0].shape[2], of_texts[0].shape[2]], dim=1)
        return attn.to_out[0](images), texts if attn.context_pre_only else attn.to_add_out(texts)


def count_last_token(transformer: nn.Module, count: int) -> nn.Module:
    """The transformer (diffusers' SD3Transformer2DModel), whose last text token counts `count` times from now on."""
    for block in transformer.transformer_blocks:
        block.attn.set_processor(CountedLastToken(count))
    return transformer
