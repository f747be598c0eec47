"""Prompt debiasing: words that speak against a view are left out of that view's text (D-SDS, arXiv:2303.15413).

"a smiling dog, back view" contradicts itself: nobody sees the smile from behind. A masked language model is asked how
likely each view word is in front of the prompt, with and without a word; where the word makes the view less likely, it
goes. D direction words.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .directions import ViewDirection

ViewProbabilities = Callable[[str], Tensor]
"""From a prompt to the probability of each `ViewDirection`; they sum to 1."""


def debias_prompt(
    prompt: str,
    view_probabilities: ViewProbabilities,
    candidates: Sequence[int] | None = None,
    threshold: float = 0.95,
) -> dict[ViewDirection, str]:
    """For every direction the prompt without the words that make the direction less likely.

    A word u goes from the text of a view v when p(v, prompt) / (p(v, prompt) + p(v, prompt without u)) * 2 is below the
    threshold: a pointwise mutual information in which word and no word are equally likely.

    Args:
        candidates: which words, counted from 0, may be removed; all, if None.
        threshold: 1 removes every word that makes the view the least bit less likely; 0.95 as in threestudio.
    """
    words = prompt.split()
    candidates = range(len(words)) if candidates is None else candidates
    beyond = [index for index in candidates if not 0 <= index < len(words)]
    if beyond:
        raise ValueError(f"word {beyond[0]} of {prompt!r} does not exist; it has words 0 to {len(words) - 1}")
    with_word = view_probabilities(prompt)
    information = {
        index: with_word / (0.5 * (with_word + view_probabilities(_without(words, {index})))) for index in candidates
    }
    return {
        direction: _without(
            words, {index for index, of_views in information.items() if of_views[direction] < threshold}
        )
        for direction in ViewDirection
    }


def _without(words: Sequence[str], removed: set[int]) -> str:
    return " ".join(word for index, word in enumerate(words) if index not in removed)


class MaskedLanguageModel:
    """View probabilities from a BERT-like model in a local folder or on the hub (threestudio: `bert-base-uncased`)."""

    def __init__(self, name_or_path: str) -> None:
        """
        Raises:
            ImportError: transformers is not installed.
            OSError: no such model; the message of transformers says where it looked.
            ValueError: the model has no single token for one of the view words.
        """
        try:
            from transformers import AutoModelForMaskedLM, AutoTokenizer
        except ImportError as error:
            raise ImportError(f"prompt debiasing needs transformers: pip install transformers ({error})") from error
        self._tokenizer = AutoTokenizer.from_pretrained(name_or_path)
        self._model = AutoModelForMaskedLM.from_pretrained(name_or_path).eval()
        self._view_tokens = [self._token_of(direction.name.lower()) for direction in ViewDirection]

    @torch.no_grad()
    def __call__(self, prompt: str) -> Float[Tensor, "D"]:
        """How likely each direction is to stand before "view of <prompt>"."""
        text = f"This image is depicting a {self._tokenizer.mask_token} view of {prompt}"
        tokens = self._tokenizer(text, return_tensors="pt", truncation=True)
        is_mask = tokens.input_ids[0] == self._tokenizer.mask_token_id
        logits = self._model(**tokens).logits[0, is_mask][0]
        return logits[self._view_tokens].softmax(dim=0)

    def _token_of(self, word: str) -> int:
        tokens = self._tokenizer(word, add_special_tokens=False).input_ids
        if len(tokens) != 1 or tokens[0] == self._tokenizer.unk_token_id:
            raise ValueError(
                f"the masked language model has no token for {word!r}; take an English one, e.g. bert-base-uncased"
            )
        return tokens[0]
