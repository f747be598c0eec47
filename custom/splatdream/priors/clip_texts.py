"""Texts through the CLIP text encoder of a Stable Diffusion model.

N texts, L tokens (77), C channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..storage.device_copies import sent
from .base import Condition
from .cached_texts import CachedTexts, tokens_of
from .condition_cache import ConditionCache
from .loras import Lora, add_to_text_encoder
from .model_files import ModelFiles
from .network_files import read_network
from .single_file import text_encoder_of

TEXT_PARTS = ("text_encoder", "tokenizer")


class EmbeddingTable:
    """The embeddings of a run's texts. They go to the device once, not at every step."""

    def __init__(self, embeddings: Float[Tensor, "N ..."]) -> None:
        self._embeddings = embeddings

    def __len__(self) -> int:
        return len(self._embeddings)

    def on(self, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "N ..."]:
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
        return self.table.on(device, dtype)[sent(self.rows, device)]


class ClipTexts(CachedTexts):
    """Texts through the CLIP text encoder of Stable Diffusion 1 and 2."""

    def __init__(self, files: ModelFiles, cache: ConditionCache | None = None, loras: Sequence[Lora] = ()) -> None:
        super().__init__("clip-text", files, TEXT_PARTS, cache, loras)

    def condition(self, texts: Sequence[str]) -> TextCondition:
        return TextCondition(EmbeddingTable(self.encode(texts)), torch.arange(len(texts)))

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "N L C"]:
        """Last hidden states, one row a text.

        Raises:
            ValueError: a text has more tokens than the encoder reads; its end, where view words stand, would be lost.
        """
        return self.tensors(texts)["embeddings"]

    @torch.no_grad()
    def _run(self, texts: list[str]) -> Iterator[Mapping[str, Tensor]]:
        tokenizer, encoder = load_text_encoder(self._files)
        add_to_text_encoder(encoder, self._loras, "text_encoder")
        uses_mask = getattr(encoder.config, "use_attention_mask", False)
        for tokens in map(partial(tokens_of, tokenizer), texts):
            states = encoder(tokens.input_ids, attention_mask=tokens.attention_mask if uses_mask else None)[0]
            yield {"embeddings": states[0]}


def load_text_encoder(files: ModelFiles) -> tuple[object, torch.nn.Module]:
    """transformers' tokenizer and text encoder; float32, on the CPU."""
    from transformers import CLIPTextModel, CLIPTokenizer

    with files.reading("tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(files.configurations, subfolder="tokenizer", local_files_only=True)
    is_file = files.path.is_file()
    encoder = text_encoder_of(files) if is_file else read_network(files, CLIPTextModel, "text_encoder")
    return tokenizer, encoder.float().eval().requires_grad_(False)
