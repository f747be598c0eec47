"""Seconds become steps by timing."""

import json

from fake_runs import CONFIGS, FakeRuns
from splatdream.laboratory.latex import escaped_latex
from splatdream.laboratory.seconds_budget import steps_in_seconds
from splatdream.runner.request import RunRequest


class Clocked(FakeRuns):
    """Three seconds of compilation, and a tenth of a second a step."""

    def __call__(self, arguments, log):
        code = super().__call__(arguments, log)
        manifest = log.parent / "save" / "manifest.json"
        steps = int([text for text in arguments if text.startswith("trainer.max_steps=")][-1].partition("=")[2])
        seconds = {"seconds_by_stage": {"compile": 3.0, "guidance": 0.1 * steps}}
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | seconds))
        return code


def test_steps_are_those_that_take_so_long_without_what_happens_once(capsys):
    runs = Clocked()
    steps = steps_in_seconds(RunRequest(str(CONFIGS / "tiny.yaml"), label="words"), 60, runs)
    assert abs(steps - 600) <= 1 and len(runs.ran) == 3
    assert "timing the steps of words" in capsys.readouterr().out


def test_latex_takes_every_character_to_the_letter():
    assert escaped_latex("a_b & 95 % {x}^2\\") == r"a\_b \& 95 \% \{x\}\textasciicircum{}2\textbackslash{}"
