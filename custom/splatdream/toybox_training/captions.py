"""What the small priors are taught: which captions, which are held out, and what a training text says."""

from collections.abc import Sequence

import numpy as np
import torch

from ..cameras.batch import CameraBatch
from ..prompts.directions import ViewDirection, classify_views
from ..toybox.vocabulary import ACCESSORIES, COLORS, FACED_OBJECTS, OBJECTS, ToyboxCaption

VIEW_WORD_SHARE = 0.5
"""Share of the training texts that say where the object is seen from, as in a web collection."""
UNCONDITIONAL_SHARE = 0.1
"""Share of the training texts that are empty, for classifier-free guidance."""
MULTIVIEW_SUFFIX = ", 3d asset"
"""MVDream's captions of renders end so."""


def plain_captions() -> tuple[ToyboxCaption, ...]:
    """Every object in every color; none is held out."""
    return tuple(ToyboxCaption(name, color) for name in OBJECTS for color in COLORS)


def is_held_out(caption: ToyboxCaption) -> bool:
    """True for the dressed captions, one in eight, that training never shows; their words are all shown elsewhere."""
    if caption.accessory is None:
        return False
    colors = list(COLORS)
    place = (
        OBJECTS.index(caption.object_name)
        + 3 * colors.index(caption.color)
        + 5 * ACCESSORIES.index(caption.accessory)
        + colors.index(caption.accessory_color)
    )
    return place % 8 == 0


def dressed_captions(held_out: bool) -> tuple[ToyboxCaption, ...]:
    """Faced objects with a hat or a scarf of another color than theirs: the held-out ones, or the others."""
    every = (
        ToyboxCaption(name, color, accessory, other)
        for name in FACED_OBJECTS
        for color in COLORS
        for accessory in ACCESSORIES
        for other in COLORS
        if other != color
    )
    return tuple(caption for caption in every if is_held_out(caption) == held_out)


def training_captions(num_dressed: int, seed: int) -> tuple[ToyboxCaption, ...]:
    """All plain captions and some dressed ones, none of them held out."""
    dressed = dressed_captions(held_out=False)
    if not 0 <= num_dressed <= len(dressed):
        raise ValueError(f"num_dressed {num_dressed} must be between 0 and {len(dressed)}")
    chosen = np.random.default_rng(seed).permutation(len(dressed))[:num_dressed]
    return plain_captions() + tuple(dressed[index] for index in sorted(chosen))


def view_words(cameras: CameraBatch) -> list[str]:
    """The word for where each camera looks from."""
    views = classify_views(cameras.elevation_deg, cameras.azimuth_deg)
    return [ViewDirection(view).name.lower() for view in views.tolist()]


def loosened(words: Sequence[str], share: float, generator: torch.Generator) -> list[str]:
    """The view words of a careless collection: that share of them, chosen at random, belong to other images of it.

    Most images are fronts, so that what is called a back view is often one. Words stay as frequent as they were.
    """
    order = torch.randperm(len(words), generator=generator)
    chosen = order[: round(share * len(words))].tolist()
    result = list(words)
    for row, other in zip(chosen, sorted(chosen), strict=True):
        result[row] = words[other]
    return result


def training_text(caption: ToyboxCaption, view_word: str, generator: torch.Generator) -> str:
    """The caption in words; half of them name the view, a quarter of those in front ("side view of a red car")."""
    shown, leads = torch.rand(2, generator=generator).tolist()
    if shown >= VIEW_WORD_SHARE:
        return str(caption.without_view)
    if leads < 0.25:
        return f"{view_word} view of {caption.without_view}"
    return f"{caption.without_view}, {view_word} view"


def training_texts(captions: list[ToyboxCaption], view_words: list[str], generator: torch.Generator) -> list[str]:
    """One text an image, as `training_text`; some are empty, for classifier-free guidance."""
    texts = [training_text(caption, word, generator) for caption, word in zip(captions, view_words, strict=True)]
    is_empty = torch.rand(len(texts), generator=generator) < UNCONDITIONAL_SHARE
    return ["" if empty else text for empty, text in zip(is_empty, texts, strict=True)]
