"""One progress bar on a terminal; a line from time to time where the output is none, so that logs stay readable."""

import sys
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0
_LINE = "{desc} {n_fmt}/{total_fmt} {unit}s, {rate_fmt}, {elapsed} gone, {remaining} to go{postfix}"
_LINE_WITHOUT_END = "{desc} {n_fmt} {unit}s, {rate_fmt}, {elapsed} gone{postfix}"


class ProgressBar(tqdm):
    """tqdm's bar, with its arguments."""

    def __init__(self, *args: Any, **options: Any) -> None:
        file = options.setdefault("file", sys.stderr)
        self._is_terminal = file.isatty()
        self._shown = options.get("initial", 0)
        if not self._is_terminal:
            is_endless = not args and options.get("total") is None
            options["bar_format"] = _LINE_WITHOUT_END if is_endless else _LINE
            # A look at the clock at every step, and the rate of the whole.
            options |= {"mininterval": _SECONDS_BETWEEN_LINES, "maxinterval": 0, "miniters": 0, "smoothing": 0}
        super().__init__(*args, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        if self._is_terminal:
            return super().display(msg, pos)
        if self.n != self._shown:
            self._shown = self.n
            self.fp.write(f"{self}\n")
            self.fp.flush()
        return None

    def clear(self, nolock: bool = False) -> None:
        if self._is_terminal:
            super().clear(nolock)

    def close(self) -> None:
        if not self._is_terminal and not self.disable:
            self.display()
            self.leave = False  # or tqdm would end the last line once more
        super().close()
