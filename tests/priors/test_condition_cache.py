"""The disk cache of encoded texts survives damage, races and folders that cannot be written."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from splatdream.priors.condition_cache import ConditionCache

KEY = ("clip-text", "revision 1", "a cat")


@pytest.fixture
def cache(tmp_path):
    return ConditionCache(tmp_path / "texts")


@pytest.fixture
def tensors(generator):
    return {"embeddings": torch.randn(77, 8, generator=generator)}


def test_what_was_stored_comes_back(cache, tensors):
    assert cache.load(*KEY) is None
    cache.save(*KEY, tensors)
    torch.testing.assert_close(cache.load(*KEY), tensors, rtol=0, atol=0)


@pytest.mark.parametrize(
    "other", [("t5", *KEY[1:]), (KEY[0], "revision 2", KEY[2]), (*KEY[:2], "a dog"), (*KEY[:2], "")]
)
def test_another_encoder_revision_or_text_is_another_entry(cache, tensors, other):
    cache.save(*KEY, tensors)
    assert cache.load(*other) is None


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"not a file of tensors"])
def test_a_damaged_entry_counts_as_absent_and_can_be_replaced(cache, tensors, damage):
    cache.save(*KEY, tensors)
    cache.path(*KEY).write_bytes(damage)
    assert cache.load(*KEY) is None
    cache.save(*KEY, tensors)
    assert cache.load(*KEY) is not None


def test_a_truncated_entry_counts_as_absent(cache, tensors):
    cache.save(*KEY, tensors)
    path = cache.path(*KEY)
    path.write_bytes(path.read_bytes()[:-100])
    assert cache.load(*KEY) is None


def test_a_file_that_belongs_to_another_text_counts_as_absent(cache, tensors):
    cache.save(*KEY[:2], "a dog", tensors)
    cache.path(*KEY[:2], "a dog").rename(cache.path(*KEY))
    assert cache.load(*KEY) is None


def test_writers_at_the_same_time_leave_one_whole_entry(cache, tensors):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: cache.save(*KEY, tensors), range(40)))
    torch.testing.assert_close(cache.load(*KEY), tensors, rtol=0, atol=0)
    assert [path.name for path in cache.folder.iterdir()] == [cache.path(*KEY).name]


def test_a_flipped_bit_never_changes_what_is_loaded(cache, tensors):
    cache.save(*KEY, tensors)
    path = cache.path(*KEY)
    sound = path.read_bytes()
    for place in range(0, len(sound), 7):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert cache.load(*KEY) is None, place
    cache.save(*KEY, tensors)
    torch.testing.assert_close(cache.load(*KEY), tensors, rtol=0, atol=0)


def test_a_folder_that_cannot_be_made_costs_a_warning(tmp_path, tensors, caplog):
    (tmp_path / "file").write_text("in the way")
    cache = ConditionCache(tmp_path / "file" / "texts")
    cache.save(*KEY, tensors)
    assert "is not cached" in caplog.text
    assert cache.load(*KEY) is None
