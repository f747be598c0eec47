"""Texts through the CLIP text encoder of a Stable Diffusion model, remembered on disk.

N texts, L tokens (77), C channels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .base import Condition
from .condition_cache import ConditionCache
from .model_files import ModelFiles

TEXT_PARTS = ("text_encoder", "tokenizer")


class EmbeddingTable:
    """The embeddings of a run's texts. They go to the device once, not at every step."""

    def __init__(self, embeddings: Float[Tensor, "N L C"]) -> None:
        self._embeddings = embeddings

    def __len__(self) -> int:
        return len(self._embeddings)

    def on(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "N L C"]:
        """All of them, there and in that precision, from now on."""
        self._embeddings = self._embeddings.to(device, dtype)
        return self._embeddings


@dataclass(frozen=True)
class TextCondition(Condition):
    """What the network's cross-attention reads."""

    table: EmbeddingTable
    rows: Int[Tensor, "R"]
    """Which texts of the table, on the CPU."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Int[Tensor, "R"]) -> "TextCondition":
        return TextCondition(self.table, self.rows[rows.to(self.rows.device)])

    def embeddings_on(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "R L C"]:
        """One text embedding a row."""
        return self.table.on(device, dtype)[self.rows.to(device)]


class ClipTexts:
    """Encodes texts on the CPU in float32, so that results do not depend on the device, and keeps no network.

    The encoder is loaded only when a text is not in the cache, and is dropped right after.
    """

    def __init__(self, files: ModelFiles, cache: ConditionCache | None = None) -> None:
        self._files = files
        self._cache = cache
        # By content: copies of one model under several ids, or on disk and on the hub, share their entries.
        hashes = files.hashes(TEXT_PARTS)
        self.revision = hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "N L C"]:
        """Last hidden states, one row a text.

        Raises:
            ValueError: a text has more tokens than the encoder reads; its end, where view words stand, would be lost.
        """
        known: dict[str, Tensor] = {}
        for text in dict.fromkeys(texts):
            cached = self._cache.load("clip-text", self.revision, text) if self._cache else None
            if cached is not None:
                known[text] = cached["embeddings"]
        unknown = [text for text in dict.fromkeys(texts) if text not in known]
        if unknown:
            for text, embeddings in zip(unknown, self._run(unknown), strict=True):
                known[text] = embeddings
                if self._cache:
                    self._cache.save("clip-text", self.revision, text, {"embeddings": embeddings.contiguous()})
        return torch.stack([known[text] for text in texts])

    @torch.no_grad()
    def _run(self, texts: list[str]) -> Float[Tensor, "N L C"]:
        tokenizer, encoder = load_text_encoder(self._files)
        longest = tokenizer.model_max_length
        for text in texts:
            token_ids = tokenizer(text, truncation=False).input_ids
            if len(token_ids) > longest:
                lost = tokenizer.decode(token_ids[longest - 1 : -1])
                raise ValueError(
                    f"a text has {len(token_ids)} tokens and the encoder reads {longest}; "
                    f"'{lost}' would be lost, shorten '{text}'"
                )
        tokens = tokenizer(texts, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
        mask = tokens.attention_mask if getattr(encoder.config, "use_attention_mask", False) else None
        # One at a time: the result of a text must not depend on which others are encoded with it.
        rows = [
            encoder(tokens.input_ids[row : row + 1], attention_mask=None if mask is None else mask[row : row + 1])[0]
            for row in range(len(texts))
        ]
        return torch.cat(rows)


def load_text_encoder(files: ModelFiles) -> tuple[object, torch.nn.Module]:
    """transformers' tokenizer and text encoder; float32, on the CPU."""
    from transformers import CLIPTextModel, CLIPTokenizer

    with files.reading("tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(files.path, subfolder="tokenizer", local_files_only=True)
    with files.reading("text_encoder"):
        encoder = CLIPTextModel.from_pretrained(
            files.path, subfolder="text_encoder", variant=files.variant("text_encoder"), local_files_only=True
        )
    return tokenizer, encoder.float().eval().requires_grad_(False)
