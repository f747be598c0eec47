"""Where a cloud begins is one entry of a registry."""

import pytest
import torch
from splatdream.assets.gaussians import GaussianGeometry
from splatdream.gaussians import initializations
from splatdream.gaussians.initialization import from_points
from splatdream.gaussians.initializations import Beginning, initial_cloud


def one_per_word(beginning: Beginning):
    words = beginning.prompt.split()
    return from_points(torch.arange(3.0 * len(words)).reshape(-1, 3), opacity=beginning.opacity)


def test_a_new_initialization_is_a_function_and_a_line_and_knows_the_prompt(monkeypatch):
    monkeypatch.setitem(initializations.INITIALIZATIONS, "words", one_per_word)
    config = {"initialization": "words", "prompt": "an orange cat", "initial_opacity": 0.3}
    cloud = GaussianGeometry(config).cloud()
    assert len(cloud) == 3
    torch.testing.assert_close(cloud.opacities, torch.full((3,), 0.3))


def test_a_file_chooses_by_its_suffix(monkeypatch):
    monkeypatch.setitem(initializations.INITIALIZATIONS, ".txt", one_per_word)
    assert len(initial_cloud(Beginning("somewhere/points.TXT", prompt="a cat"))) == 2


def test_an_unknown_beginning_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"initialization 'bal' is unknown; choose one of ball, \.ply"):
        initial_cloud(Beginning("bal"))
