"""CLIP's byte-level tokenizer whose words are those of the toybox; any other text falls into letters, never <unk>."""

import re

from ..toybox.vocabulary import ACCESSORIES, COLORS, OBJECTS, VIEW_WORDS

MAX_TOKENS = 24
"""The longest caption of the toybox has 16; CLIP's 77 would cost a sixth of a training step."""
_GRAMMAR = ("a", "an", "the", "of", "view", "wearing", "with", "backside", "ball", "box", "bunny", "plane")
_AROUND = ("3d", "asset", "blurry", "low", "quality", "ugly")


def vocabulary_words() -> tuple[str, ...]:
    """Every word that is one token."""
    words = (*COLORS, *OBJECTS, *ACCESSORIES, *VIEW_WORDS, *_GRAMMAR, *_AROUND)
    return tuple(dict.fromkeys(words))


def build_tokenizer() -> object:
    """transformers' CLIPTokenizer over the toybox's vocabulary."""
    from transformers import CLIPTokenizer

    letters = _byte_letters()
    # CLIP splits digits off before merging, so "3d" is the words "3" and "d".
    merges = _learn_merges([part for word in vocabulary_words() for part in re.findall(r"\d|[a-z]+", word)])
    tokens = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)])
    vocabulary = {token: index for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    # Without model_max_length transformers 5 cannot pad; `vocab_file=` would be ignored in silence.
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)


def _learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Pairs to merge, in order, that make every word one token.

    Each pair is merged in all words before the next is chosen, as the tokenizer will do: the r and e of "red" are
    merged in "green", too, and "green" has to be put together from what that leaves.
    """
    pieces = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges = []
    while unfinished := [word for word in pieces if len(word) > 1]:
        pair = (unfinished[0][0], unfinished[0][1])
        merges.append(pair)
        pieces = [_merged(word, pair) for word in pieces]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for piece in word:
        if result and (result[-1], piece) == pair:
            result[-1] += piece
        else:
            result.append(piece)
    return result


def _byte_letters() -> list[str]:
    """The 256 characters that stand for bytes: printable ones as they are, others from 256 on (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]
