"""Seconds by stage: by the clock on a CPU, by events that nobody waits for on a GPU."""

import pytest
import torch
from splatdream.systems.stage_timer import StageTimer


class Queue:
    """A GPU whose clock advances when it is told to."""

    def __init__(self):
        self.events = []

    def event(self, enable_timing):
        assert enable_timing
        queue = self

        class Event:
            passed_at_ms = None

            def record(self):
                queue.events.append(self)

            def query(self):
                return self.passed_at_ms is not None

            def elapsed_time(self, later):
                return later.passed_at_ms - self.passed_at_ms

        return Event()

    def reach(self, *times_ms):
        for event, time_ms in zip(self.events, times_ms, strict=False):
            event.passed_at_ms = time_ms


def test_a_stage_on_a_gpu_counts_when_the_gpu_has_passed_it(monkeypatch):
    queue = Queue()
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "Event", queue.event)
    timer = StageTimer()
    with timer.stage("render"):
        pass
    with timer.stage("guidance"):
        pass
    assert timer.seconds() == {"render": 0.0, "guidance": 0.0}
    queue.reach(0.0, 20.0, 25.0)
    assert timer.seconds() == pytest.approx({"render": 0.02, "guidance": 0.0})
    queue.reach(0.0, 20.0, 25.0, 125.0)
    assert timer.seconds() == pytest.approx({"render": 0.02, "guidance": 0.1})
    assert sum(timer.seconds().values()) == pytest.approx(0.12)


def test_seconds_of_a_checkpoint_are_added_to():
    timer = StageTimer()
    timer.load({"render": 5.0})
    with timer.stage("render"):
        pass
    assert 5.0 < timer.seconds()["render"] < 6.0
