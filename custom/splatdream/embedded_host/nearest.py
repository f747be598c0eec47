"""Name what was probably meant."""

import difflib
from collections.abc import Iterable


def suggestion(name: str, valid: Iterable[str]) -> str:
    """ "did you mean 'x'?" when something similar is valid, otherwise the list of what is valid."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid are {', '.join(valid)}" if valid else "there are none"
