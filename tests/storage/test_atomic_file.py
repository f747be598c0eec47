"""Files that are whole or not there, written by whichever room."""

import errno
import os
import stat
import subprocess
import sys

import pytest
from splatdream.storage.atomic_file import atomic_path, atomic_paths, remove_leftovers, write_bytes, write_text


def test_the_file_has_its_content_and_nothing_else_is_left(tmp_path):
    write_text(tmp_path / "new" / "page.html", "grün")
    assert (tmp_path / "new" / "page.html").read_bytes() == "grün".encode()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]


def test_an_error_halfway_keeps_the_old_file(tmp_path):
    path = tmp_path / "asset.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyError("the writer broke")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_sentence_that_names_the_file(tmp_path):
    sentence = r"cannot write .*asset\.bin: No space left on device; choose"
    with pytest.raises(OSError, match=sentence), atomic_path(tmp_path / "asset.bin") as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("blocked", [0, 1, 2])
def test_files_that_belong_together_appear_together_or_not_at_all(tmp_path, blocked):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    paths[blocked].mkdir()
    sentence = r"cannot write .*a and .*b and .*c: Is a directory; choose [^;]*$"
    with pytest.raises(IsADirectoryError, match=sentence), atomic_paths(paths) as temporaries:
        for temporary in temporaries:
            temporary.write_bytes(b"new")
    assert list(tmp_path.iterdir()) == [paths[blocked]]
    paths[blocked].rmdir()
    with atomic_paths(paths) as temporaries:
        for temporary in temporaries:
            temporary.write_bytes(b"new")
        assert list(tmp_path.glob("?")) == []
    assert sorted(tmp_path.iterdir()) == paths


def test_what_a_killed_writer_left_is_removed_and_what_another_writes_is_not(tmp_path):
    script = "import os, sys; from splatdream.storage.atomic_file import atomic_path\n"
    script += "with atomic_path(sys.argv[1]) as path: path.write_text('half'); os.kill(os.getpid(), 9)"
    for name in ("old", "new"):
        subprocess.run([sys.executable, "-c", script, tmp_path / f"file.{name}"], check=False)
    (old,), (new,) = tmp_path.glob(".part-*.old"), tmp_path.glob(".part-*.new")
    os.utime(old, (0, 0))
    write_text(tmp_path / "cache.json", "{}")
    assert not old.exists() and new.exists()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cache.json"]


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "occupied").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*occupied"):
        write_text(tmp_path / "occupied" / "page.html", "text")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_folder_is_a_permission_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="choose a folder that can be written"):
        write_text(tmp_path / "page.html", "text")


def test_a_name_of_the_greatest_length_is_written(tmp_path):
    name = "x" * 251 + ".txt"
    write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    written = write_bytes(tmp_path / "written", b"data")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
    assert written.read_bytes() == b"data"
