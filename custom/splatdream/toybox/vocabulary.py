"""The words that the toybox understands, and its grammar.

    [a|an] COLOR OBJECT [wearing|with [a|an] COLOR ACCESSORY] [, WORD view]
    WORD view of [a|an] COLOR OBJECT [wearing|with [a|an] COLOR ACCESSORY]

for example "an orange cat", "a blue robot wearing a red hat, side view", "overhead view of a green frog".
"""

import difflib
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from .primitives import Color

FACED_OBJECTS = (
    "airplane",
    "bear",
    "car",
    "cat",
    "dinosaur",
    "dog",
    "duck",
    "elephant",
    "frog",
    "house",
    "owl",
    "penguin",
    "rabbit",
    "robot",
    "snowman",
    "train",
)
"""They have an unmistakable front."""
FRONTLESS_OBJECTS = ("cake", "cube", "mushroom", "sphere", "tree", "vase")
OBJECTS = FACED_OBJECTS + FRONTLESS_OBJECTS
_SYNONYMS = {"ball": "sphere", "box": "cube", "bunny": "rabbit", "plane": "airplane"}

COLORS: dict[str, Color] = {
    "red": (0.86, 0.14, 0.12),
    "orange": (0.96, 0.50, 0.08),
    "yellow": (0.97, 0.80, 0.12),
    "green": (0.20, 0.64, 0.24),
    "blue": (0.16, 0.36, 0.88),
    "purple": (0.55, 0.24, 0.76),
    "brown": (0.61, 0.37, 0.20),
    "white": (0.93, 0.93, 0.92),
}

ACCESSORIES = ("hat", "scarf")

VIEW_WORDS = ("front", "side", "back", "overhead")
_VIEW_SYNONYMS = {"backside": "back"}

_ARTICLES = ("a", "an", "the")
_WEARING = ("wearing", "with")
_PLAIN = (COLORS, OBJECTS)
_DRESSED = (*_PLAIN, _WEARING, COLORS, ACCESSORIES)


@dataclass(frozen=True)
class ToyboxCaption:
    """What a caption says."""

    object_name: str
    color: str
    accessory: str | None = None
    accessory_color: str | None = None
    view_word: str | None = None
    """One of `VIEW_WORDS`, or None where the caption does not say where it is seen from."""

    @property
    def without_view(self) -> "ToyboxCaption":
        return replace(self, view_word=None)

    def __str__(self) -> str:
        """The caption in words; `parse_caption` reads it back."""
        text = _with_article(f"{self.color} {self.object_name}")
        if self.accessory is not None:
            text += f" wearing {_with_article(f'{self.accessory_color} {self.accessory}')}"
        if self.view_word is not None:
            text += f", {self.view_word} view"
        return text


def parse_caption(text: str) -> ToyboxCaption:
    """What the text describes.

    Raises:
        ValueError: a word or the order of the words is not the toybox's; the message lists the vocabulary.
    """
    body, view_word = _split_view(text)
    words = [word for word in re.findall(r"[^\s,]+", body) if word not in _ARTICLES]
    known = (*COLORS, *OBJECTS, *_SYNONYMS, *ACCESSORIES, *_WEARING)
    for word in words:
        _check_known("word", word, known, text)
    words = [_SYNONYMS.get(word, word) for word in words]
    if not _follows(words, _PLAIN) and not _follows(words, _DRESSED):
        raise ValueError(
            f"the toybox cannot read '{text}'; say it like 'an orange cat' or 'a blue robot wearing a red hat'. "
            f"{vocabulary_text()}"
        )
    color, object_name, *dress = words
    _, accessory_color, accessory = dress or (None, None, None)
    return ToyboxCaption(object_name, color, accessory, accessory_color, view_word)


def vocabulary_text() -> str:
    """The whole vocabulary in one sentence, for error messages and help."""
    return (
        f"Colors: {', '.join(COLORS)}; objects: {', '.join(OBJECTS)}; accessories: {', '.join(ACCESSORIES)}; "
        f"views: {', '.join(VIEW_WORDS)}."
    )


def _split_view(text: str) -> tuple[str, str | None]:
    """The text without its view wording, and the view word."""
    normalized = " ".join(text.lower().split()).rstrip(" .,")
    match = re.fullmatch(r"(\w+) view of (.+)", normalized)
    if match:
        word, body = match.groups()
    else:
        match = re.fullmatch(r"(.+?),? (\w+) view", normalized)
        if not match:
            return normalized, None
        body, word = match.groups()
    word = _VIEW_SYNONYMS.get(word, word)
    _check_known("view", word, VIEW_WORDS, text)
    return body, word


def _follows(words: Sequence[str], grammar: Sequence[Container[str]]) -> bool:
    return len(words) == len(grammar) and all(word in choices for word, choices in zip(words, grammar, strict=True))


def _check_known(what: str, word: str, known: Sequence[str], text: str) -> None:
    if word not in known:
        nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"the toybox does not know the {what} '{word}' of '{text}' (nearest: '{nearest}'). {vocabulary_text()}"
        )


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
