"""Damaged compiled code is found out before Numba meets it."""

import pickle

import pytest
from splatdream.rendering.compiled_files import are_sound, remove_compiled, write_digests


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kernels.project-1.py311.nbi").write_bytes(
        pickle.dumps("0.68") + pickle.dumps(("stamp", {"f8": "1.nbc"}))
    )
    (tmp_path / "kernels.project-1.py311.1.nbc").write_bytes(bytes(range(256)))
    (tmp_path / "others.nbi").write_bytes(b"of somebody else")
    write_digests(tmp_path / "mark", tmp_path, ["kernels"])
    return tmp_path


def test_what_was_compiled_is_sound_until_something_changes(folder):
    assert are_sound(folder / "mark", folder, ["kernels"])
    (folder / "kernels.project-1.py311.2.nbc").write_bytes(b"of another processor")
    assert are_sound(folder / "mark", folder, ["kernels"])


@pytest.mark.parametrize("name", ["kernels.project-1.py311.nbi", "kernels.project-1.py311.1.nbc", "mark"])
def test_a_truncated_file_is_damage(folder, name):
    content = (folder / name).read_bytes()
    for length in (0, len(content) // 2, len(content) - 1):
        (folder / name).write_bytes(content[:length])
        assert not are_sound(folder / "mark", folder, ["kernels"]), length


def test_a_flipped_bit_in_compiled_code_is_damage_and_a_missing_file_too(folder):
    code = folder / "kernels.project-1.py311.1.nbc"
    content = bytearray(code.read_bytes())
    content[100] ^= 1
    code.write_bytes(content)
    assert not are_sound(folder / "mark", folder, ["kernels"])
    code.unlink()
    assert not are_sound(folder / "mark", folder, ["kernels"])


def test_only_what_is_compiled_of_the_modules_is_removed(folder):
    remove_compiled(folder, ["kernels"])
    assert sorted(path.name for path in folder.iterdir()) == ["mark", "others.nbi"]
