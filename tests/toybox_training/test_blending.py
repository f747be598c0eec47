from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from splatdream.commands.main import main


def pipeline(folder: Path, **tensors: torch.Tensor) -> Path:
    (folder / "unet").mkdir(parents=True)
    save_file(tensors, folder / "unet" / "weights.safetensors")
    (folder / "model_index.json").write_text("{}")
    return folder


@pytest.fixture
def start(tmp_path):
    return pipeline(tmp_path / "start", a=torch.tensor([0.0, 4.0], dtype=torch.float16))


def test_weights_lie_on_the_line_between_the_two_and_the_rest_is_that_of_the_first(start, tmp_path):
    end, out = pipeline(tmp_path / "end", a=torch.tensor([2.0, 0.0])), tmp_path / "out"
    assert main(["toybox", "blend", str(start), str(end), "--share", "0.25", "--output", str(out)]) == 0
    weights = load_file(out / "unet" / "weights.safetensors")["a"]
    assert weights.dtype == torch.float16 and weights.tolist() == [0.5, 3.0]
    assert (out / "model_index.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("other", "holds other tensors"), ("absent", "both folders must hold the same kind"), ("start", "is there")],
)
def test_what_does_not_fit_is_one_sentence_and_makes_nothing(start, tmp_path, capsys, name, sentence):
    pipeline(tmp_path / "other", a=torch.ones(3))
    output = tmp_path / ("start" if name == "start" else "out")
    before = set(tmp_path.iterdir())
    assert main(["toybox", "blend", str(start), str(tmp_path / name), "--share", "0.5", "--output", str(output)]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert set(tmp_path.iterdir()) == before
