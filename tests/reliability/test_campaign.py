"""A draw of the campaign in the suite; all of it by `pytest -m campaign`, or `python tests/reliability/campaign.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")


def table_of(*arguments: str) -> str:
    # In a process of its own: the checks of annotations that the suite makes are not what a user runs.
    done = subprocess.run([sys.executable, str(CAMPAIGN), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_some_mutated_inputs_are_read_or_refused_in_a_sentence():
    assert "| mutated mesh.glb | 20 | 20 | 0 |" in table_of("inputs", "--count", "420", "--seed", "2")


def test_a_killed_run_that_is_resumed_gives_the_same_bits():
    assert "| 1 | 1 | 0 |" in table_of("kills", "--small", "--count", "1")


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("part", ["inputs", "kills", "disks", "together", "memory"])
def test_nothing_in_the_campaign_is_unclean(part):
    assert "| what | tried | clean | not clean |" in table_of(part)
