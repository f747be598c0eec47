import pytest
from splatdream.storage.cached_folder import cached_folder, files_of


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_text("one")
    return tmp_path / "source"


def copy_of(source):
    return cached_folder(
        "kind/copy", files_of(source), lambda fresh: (fresh / "b.txt").write_text((source / "a.txt").read_text())
    )


def test_is_made_once_for_the_same_files(source):
    first = copy_of(source)
    (first / "b.txt").write_text("as it was made")
    assert (copy_of(source) / "b.txt").read_text() == "as it was made"


def test_is_made_anew_when_a_file_changes(source):
    first = copy_of(source)
    (source / "a.txt").write_text("other")
    assert copy_of(source) != first
    assert (copy_of(source) / "b.txt").read_text() == "other"


def test_leaves_nothing_when_making_fails(source, tmp_path):
    def fail(fresh):
        (fresh / "half.txt").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached_folder("kind/copy", files_of(source), fail)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_takes_what_another_process_made_first(source):
    def make_twice(fresh):
        made = copy_of(source)  # the other process
        (made / "b.txt").write_text("the first")
        (fresh / "b.txt").write_text("the second")

    assert (cached_folder("kind/copy", files_of(source), make_twice) / "b.txt").read_text() == "the first"


def test_a_full_disk_is_told(source):
    def fail(fresh):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        cached_folder("kind/copy", files_of(source), fail)
