"""Texts through the encoders of Stable Diffusion 3 and of FLUX: tokens, and a pooled text besides.

N texts, L tokens, C channels of a token, P of the pooled text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..storage.device_copies import sent
from .cached_texts import CachedTexts, tokens_of
from .clip_texts import EmbeddingTable, TextCondition, load_text_encoder
from .condition_cache import ConditionCache
from .model_files import ModelFiles
from .network_files import read_network
from .sd3_context import NUM_T5_TOKENS, clip_outputs, joint_context

SD3_TEXT_PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
T5_PARTS = ("text_encoder_3", "tokenizer_3")
"""Of Stable Diffusion 3, which works without them."""
FLUX_TEXT_PARTS = SD3_TEXT_PARTS
"""The second encoder is T5."""


@dataclass(frozen=True)
class PooledTextCondition(TextCondition):
    """Tokens for the attention of a transformer, and a pooled text for its modulation."""

    pooled: EmbeddingTable

    def __getitem__(self, rows: Int[Tensor, "R"]) -> "PooledTextCondition":
        return PooledTextCondition(self.table, self.rows[rows.to(self.rows.device)], self.pooled)

    def pooled_on(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "R P"]:
        """One pooled text a row."""
        return self.pooled.on(device, dtype)[sent(self.rows, device)]


class PooledTexts(CachedTexts):
    """Texts that become tokens and a pooled text."""

    def condition(self, texts: Sequence[str]) -> PooledTextCondition:
        made = self.tensors(texts)
        tokens, pooled = EmbeddingTable(made["embeddings"]), EmbeddingTable(made["pooled"])
        return PooledTextCondition(tokens, torch.arange(len(texts)), pooled)


class Sd3Texts(PooledTexts):
    """Two CLIP encoders, and T5 or its place left empty (arXiv:2403.03206, sec. 4)."""

    def __init__(self, files: ModelFiles, width: int, uses_t5: bool, cache: ConditionCache | None = None) -> None:
        """`width`: C, what the transformer expects."""
        parts = SD3_TEXT_PARTS + (T5_PARTS if uses_t5 else ())
        super().__init__("sd3-text-t5" if uses_t5 else "sd3-text", files, parts, cache)
        self._width = width
        self._uses_t5 = uses_t5

    @torch.no_grad()
    def _run(self, texts: list[str]) -> Iterator[Mapping[str, Tensor]]:
        clips = [load_clip_with_projection(self._files, suffix) for suffix in ("", "_2")]
        t5 = load_t5(self._files, "_3") if self._uses_t5 else None
        for text in texts:
            outputs = [clip_outputs(encoder, tokens_of(tokenizer, text).input_ids) for tokenizer, encoder in clips]
            states, pooled = zip(*outputs, strict=True)
            context = joint_context(states, None if t5 is None else _t5_states(*t5, text), self._width)
            yield {"embeddings": context[0], "pooled": torch.cat(pooled, dim=-1)[0]}


class FluxTexts(PooledTexts):
    """T5 for the tokens, CLIP for the pooled text."""

    def __init__(self, files: ModelFiles, cache: ConditionCache | None = None) -> None:
        super().__init__("flux-text", files, FLUX_TEXT_PARTS, cache)

    @torch.no_grad()
    def _run(self, texts: list[str]) -> Iterator[Mapping[str, Tensor]]:
        tokenizer, clip = load_text_encoder(self._files)
        t5 = load_t5(self._files, "_2")
        for text in texts:
            pooled = clip(tokens_of(tokenizer, text).input_ids).pooler_output
            yield {"embeddings": _t5_states(*t5, text)[0], "pooled": pooled[0]}


def load_clip_with_projection(files: ModelFiles, suffix: str) -> tuple[object, nn.Module]:
    """transformers' tokenizer and CLIPTextModelWithProjection of the folders with that suffix; float32, on the CPU."""
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer

    return _loaded(files, suffix, CLIPTokenizer, CLIPTextModelWithProjection)


def load_t5(files: ModelFiles, suffix: str) -> tuple[object, nn.Module]:
    """transformers' tokenizer and T5EncoderModel, likewise."""
    from transformers import T5EncoderModel, T5TokenizerFast

    return _loaded(files, suffix, T5TokenizerFast, T5EncoderModel)


def _loaded(files: ModelFiles, suffix: str, tokenizer_type: type, encoder_type: type) -> tuple[object, nn.Module]:
    part = f"tokenizer{suffix}"
    with files.reading(part):
        tokenizer = tokenizer_type.from_pretrained(files.path, subfolder=part, local_files_only=True)
    encoder = read_network(files, encoder_type, f"text_encoder{suffix}")
    return tokenizer, encoder.float().eval().requires_grad_(False)


def _t5_states(tokenizer: object, encoder: nn.Module, text: str) -> Float[Tensor, "1 K C"]:
    return encoder(tokens_of(tokenizer, text, NUM_T5_TOKENS).input_ids)[0]
