"""Numbers and devices on the command line are refused before a verb does anything."""

import pytest
import torch
from splatdream.commands.generate import folder_name
from splatdream.commands.main import main


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["playground", "--steps", "0"], "argument --steps: '0' must be a whole number at least 1"),
        (["playground", "--guidance-scale", "-1"], "argument --guidance-scale: '-1' must be a number at least 0"),
        (["playground", "--guidance-scale", "inf"], "'inf' must be a number at least 0"),
        (["playground", "--guidance-scale", "nan"], "'nan' must be a number at least 0"),
        (["playground", "--seed", "0.5"], "'0.5' must be a whole number from 0 to 4294967295"),
        (["toybox", "score", "toybox-sd", "--captions", "0"], "argument --captions: '0' must be a whole number"),
        (["toybox", "gallery", "--size", "100000"], "'100000' must be a whole number from 1 to 4096"),
        (["toybox", "train", "vae", "--device", "tpu"], "argument --device: 'tpu' must be cpu or cuda"),
        (
            ["lab", "run", "plan.yaml", "--workers", "-1"],
            "argument --workers: '-1' must be a whole number from 0 to 256",
        ),
        (["evaluate", "x.ply", "--prompt", "a", "--noises", "x"], "argument --noises: 'x' must be a whole number"),
    ],
)
def test_a_number_that_no_run_could_use_is_one_line(command, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_that_is_asked_for_and_absent_is_one_line(capsys):
    with pytest.raises(SystemExit):
        main(["toybox", "score", "toybox-sd", "--device", "cuda"])
    assert "torch finds no CUDA device; leave it out for cpu" in capsys.readouterr().err


def test_a_long_prompt_names_a_folder_that_file_systems_take_and_no_other_prompt_does(tmp_path):
    assert folder_name("an orange cat") == "an_orange_cat"
    for letter in ("x", "猫"):
        names = {folder_name(letter * 5000), folder_name(letter * 5001)}
        assert len(names) == 2
        for name in names:
            (tmp_path / name).mkdir()
