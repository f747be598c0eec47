"""A write that the system refuses leaves earlier checkpoints and one sentence with the system's reason."""

import resource
import threading

import pytest
import torch
from splatdream.embedded_host.checkpoints import AtomicCheckpointIO
from splatdream.embedded_host.launch import silent_writers


@pytest.fixture
def small_files():
    """The system refuses to let any file grow beyond 50 kB: what a full disk does, without one."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_checkpoint_that_does_not_fit_says_why_and_keeps_the_one_before(tmp_path, small_files):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(
        {"epoch": 0, "global_step": 1, "state_dict": {"weights": torch.ones(10)}}, path
    )
    with pytest.raises(OSError, match=r"last\.ckpt': File too large; earlier checkpoints are intact"):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {"weights": torch.zeros(100_000)}}, path)
    assert torch.equal(AtomicCheckpointIO().load_checkpoint(path)["state_dict"]["weights"], torch.ones(10))
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_tensorboards_thread_leaves_the_error_to_the_one_who_logs(tmp_path, small_files, monkeypatch):
    from torch.utils.tensorboard import SummaryWriter

    thrown = []
    monkeypatch.setattr(threading, "excepthook", lambda error: thrown.append(error.exc_type))
    writer = SummaryWriter(str(tmp_path))
    with silent_writers(), pytest.raises(OSError, match="File too large"):
        for _ in range(1000):
            writer.add_text("log", "x" * 10_000)
            writer.flush()
    with silent_writers():
        thread = threading.Thread(target=[].index, args=(1,))
        thread.start()
        thread.join()
    assert thrown == [ValueError]
