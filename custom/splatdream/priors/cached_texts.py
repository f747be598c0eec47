"""Texts through frozen encoders, once, remembered on disk.

N texts.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .base import Condition
from .condition_cache import ConditionCache
from .loras import Lora
from .model_files import ModelFiles


class CachedTexts(ABC):
    """Encodes texts on the CPU in float32, so that results do not depend on the device, and keeps no network.

    The encoders are loaded only when a text is not in the cache, and are dropped right after.
    """

    def __init__(
        self,
        kind: str,
        files: ModelFiles,
        parts: Sequence[str],
        cache: ConditionCache | None,
        loras: Sequence[Lora] = (),
    ) -> None:
        """
        Args:
            kind: of the cache's entries; says what is made of a text.
            parts: encoders and tokenizers, whose content the entries belong to.
            loras: of these, those that change an encoder are added to it, and count in the entries' content.
        """
        self._kind = kind
        self._files = files
        self._cache = cache
        # By content: copies of one model under several ids, or on disk and on the hub, share their entries.
        self._loras = [lora for lora in loras if lora.changes_texts()]
        content = sorted(files.hashes(parts).items()) + [tuple(lora.content().items()) for lora in self._loras]
        self.revision = hashlib.sha256(repr(content).encode()).hexdigest()

    @abstractmethod
    def condition(self, texts: Sequence[str]) -> Condition:
        """One row a text.

        Raises:
            ValueError: a text has more tokens than an encoder reads.
        """

    @abstractmethod
    def _run(self, texts: list[str]) -> Iterator[Mapping[str, Tensor]]:
        """What the encoders say of each text, one at a time: it must not depend on which others are encoded with it."""

    def tensors(self, texts: Sequence[str]) -> Mapping[str, Float[Tensor, "N ..."]]:
        """What the encoders say, by name, one row a text."""
        known = {text: self._cached(text) for text in dict.fromkeys(texts)}
        unknown = [text for text, found in known.items() if found is None]
        for text, made in zip(unknown, self._run(unknown) if unknown else (), strict=True):
            known[text] = made
            if self._cache:
                entry = {name: tensor.contiguous() for name, tensor in made.items()}
                self._cache.save(self._kind, self.revision, text, entry)
        return {name: torch.stack([known[text][name] for text in texts]) for name in known[texts[0]]}

    def _cached(self, text: str) -> Mapping[str, Tensor] | None:
        return self._cache.load(self._kind, self.revision, text) if self._cache else None


def tokens_of(tokenizer: object, text: str, length: int | None = None) -> object:
    """The tokens of one text as tensors, filled up to `length`, by default as many as the encoder reads.

    Raises:
        ValueError: the text has more; its end, where view words stand, would be lost.
    """
    length = length or tokenizer.model_max_length
    token_ids = tokenizer(text, truncation=False).input_ids
    if len(token_ids) > length:
        lost = tokenizer.decode(token_ids[length - 1 : -1])
        raise ValueError(
            f"a text has {len(token_ids)} tokens and the encoder reads {length}; "
            f"'{lost}' would be lost, shorten '{text}'"
        )
    return tokenizer(text, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
