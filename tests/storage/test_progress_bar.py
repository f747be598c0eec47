"""Progress: a bar on a terminal, whole lines everywhere else."""

import io

from splatdream.storage.progress_bar import ProgressBar


def test_where_there_is_no_terminal_progress_is_whole_lines():
    log = io.StringIO()
    with ProgressBar(total=20, desc="train", unit="step", file=log) as bar:
        for _ in range(20):
            bar.update()
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue() and log.getvalue().endswith("\n")
    # Quicker than the seconds between two lines: only the end is told.
    assert len(lines) == 1 and lines[0].startswith("train 20/20 steps, ")


def test_on_a_terminal_one_line_keeps_changing():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    with ProgressBar(range(3), desc="train", file=terminal, mininterval=0) as bar:
        assert list(bar) == [0, 1, 2]
    assert terminal.getvalue().count("\r") > 3 and "3/3" in terminal.getvalue()
