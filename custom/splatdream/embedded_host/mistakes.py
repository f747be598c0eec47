"""What is said of an error: what the user can mend in its own words, whatever else with a way to look further."""

import traceback
from pathlib import Path

ADVICE = "(--verbose shows where)"
_PLUGIN = str(Path(__file__).parents[1])


def error_text(error: Exception) -> str | None:
    """The message of an error, its lines kept, with `ADVICE` where nobody raised it for the user.

    None for what looks like a bug and deserves its traceback.
    """
    text = "\n".join(line.rstrip() for line in _message(error).strip().splitlines())
    if known := _in_other_words(error, text):
        return known
    if not text or not isinstance(error, ValueError | TypeError | KeyError | OSError | ImportError | RuntimeError):
        return None
    if isinstance(error, OSError | ImportError) or (_is_raised_here(error) and " " in text):
        return text
    return None if isinstance(error, RuntimeError) else f"{text} {ADVICE}"


def _message(error: Exception) -> str:
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)


def _is_raised_here(error: Exception) -> bool:
    """Whether this package raised it, which is how it refuses what it is given, and not a library on its behalf."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_code.co_filename.startswith(_PLUGIN)


def _in_other_words(error: Exception, text: str) -> str | None:
    """What torch says without the cause or the remedy; None for other errors."""
    if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return f"there is not enough memory: {text or 'no more is given'}; make images, batches or clouds smaller"
    if isinstance(error, RuntimeError) and "loading state_dict" in text:
        return f"the checkpoint does not fit this configuration: {text}"
    return None
