"""Results survive a crash, and intervals contain what they should."""

import pytest
import torch
from splatdream.experiments.intervals import paired_bootstrap_interval
from splatdream.experiments.results_store import ResultsStore


def test_a_half_written_line_loses_nothing_before_or_after_it(tmp_path):
    path = tmp_path / "results.jsonl"
    ResultsStore(path).add("a", {"psnr": 1.0})
    with path.open("a") as file:
        file.write('{"key": "b", "psn')
    store = ResultsStore(path)
    store.add("c", {"psnr": 3.0})
    assert {key: row["psnr"] for key, row in store.rows().items()} == {"a": 1.0, "c": 3.0}


def test_the_newest_row_of_a_key_counts(tmp_path):
    store = ResultsStore(tmp_path / "results.jsonl")
    store.add("a", {"psnr": 1.0})
    store.add("a", {"psnr": 2.0})
    assert store.rows()["a"]["psnr"] == 2.0


def test_a_store_without_a_file_is_empty(tmp_path):
    assert ResultsStore(tmp_path / "new" / "results.jsonl").rows() == {}


def test_the_interval_of_normal_differences_agrees_with_the_textbook(generator):
    differences = 2.0 + torch.randn(400, generator=generator)
    low, high = paired_bootstrap_interval(differences, generator)
    mean, standard_error = differences.mean().item(), differences.std().item() / 20
    assert low == pytest.approx(mean - 1.96 * standard_error, abs=0.02)
    assert high == pytest.approx(mean + 1.96 * standard_error, abs=0.02)


def test_equal_differences_have_an_interval_without_width(generator):
    assert paired_bootstrap_interval(torch.full((5,), 3.0), generator) == (3.0, 3.0)


def test_no_pairs_have_no_interval(generator):
    with pytest.raises(ValueError, match="at least one pair"):
        paired_bootstrap_interval(torch.zeros(0), generator)
