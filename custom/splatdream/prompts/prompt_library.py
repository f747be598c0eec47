"""Prompts by keyword: `lib:orange_cat` stands for a whole sentence."""

import json
from difflib import get_close_matches
from pathlib import Path

PREFIX = "lib:"
LIBRARY_PATH = Path(__file__).with_name("prompt_library.json")


def resolve_prompt(text: str) -> str:
    """The text itself, or the one sentence of the library that contains all words of `lib:words_joined_so`.

    Raises:
        ValueError: no sentence, or more than one, matches.
    """
    if not text.startswith(PREFIX):
        return text
    keywords = text.removeprefix(PREFIX).lower().split("_")
    library = json.loads(LIBRARY_PATH.read_text())
    prompts = [prompt for group in library.values() for prompt in group]
    found = [prompt for prompt in prompts if all(word in prompt.lower().split() for word in keywords)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{text!r} fits several prompts of the library: {'; '.join(found)}; add a word")
    nearest = get_close_matches(" ".join(keywords), prompts, n=3, cutoff=0.0)
    raise ValueError(f"{text!r} fits no prompt of {LIBRARY_PATH.name}; the nearest are: {'; '.join(nearest)}")
