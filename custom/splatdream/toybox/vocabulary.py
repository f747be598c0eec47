"""The words that the toybox understands, and its grammar.

    [a|an] COLOR OBJECT [wearing|with [a|an] COLOR ACCESSORY] [, WORD view]
    WORD view of [a|an] COLOR OBJECT [wearing|with [a|an] COLOR ACCESSORY]

for example "an orange cat", "a blue robot wearing a red hat, side view", "overhead view of a green frog".
"""

import difflib
import re
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
        if word not in known:
            nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
            raise ValueError(
                f"the toybox does not know the word '{word}' of '{text}' (nearest: '{nearest}'). {vocabulary_text()}"
            )
    words = [_SYNONYMS.get(word, word) for word in words]
    is_plain = len(words) == 2 and words[0] in COLORS and words[1] in OBJECTS
    is_dressed = (
        len(words) == 5
        and words[0] in COLORS
        and words[1] in OBJECTS
        and words[2] in _WEARING
        and words[3] in COLORS
        and words[4] in ACCESSORIES
    )
    if not is_plain and not is_dressed:
        raise ValueError(
            f"the toybox cannot read '{text}'; say it like 'an orange cat' or 'a blue robot wearing a red hat'. "
            f"{vocabulary_text()}"
        )
    accessory_color, accessory = (words[3], words[4]) if is_dressed else (None, None)
    return ToyboxCaption(words[1], words[0], accessory, accessory_color, view_word)


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
    if word not in VIEW_WORDS:
        nearest = difflib.get_close_matches(word, VIEW_WORDS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"the toybox does not know the view '{word}' of '{text}' (nearest: '{nearest}'). {vocabulary_text()}"
        )
    return body, word


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
