"""The first minute at the command line: what there is, what it costs, and no folder after a typo."""

import subprocess
import sys
from pathlib import Path

import pytest
import splatdream
import torch
import yaml
from splatdream.commands.generate import stages
from splatdream.commands.list import KINDS
from splatdream.commands.main import main
from splatdream.guidance.methods.registry import METHODS
from splatdream.startup.configuration import check_configuration
from splatdream.startup.shipped import find_config, shipped_configs

CPU = pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
FEW = ("data.num_test_views=1", "trainer.limit_val_batches=0", "system.exporter.formats=[ply]")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_listed_a_line_each(kind, capsys):
    assert main(["list", kind]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.isascii() and lines and all(line.strip() for line in lines)


def test_methods_and_configurations_are_listed_by_the_names_that_are_typed(capsys):
    main(["list", "methods"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == list(METHODS)
    main(["list", "configs"])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert set(names) == {path.stem for path in Path(find_config("quickstart")).parent.glob("*.yaml")}


def test_bare_it_shows_help_and_it_knows_its_version(capsys):
    assert main([]) == 0
    assert "splatdream generate" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and splatdream.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (["train", "--config", "tiny", "--bad"], "usage: splatdream train "),
        (["generate", "an orange cat", "--bad"], "usage: splatdream generate "),
        (["compose", "--bad"], "usage: splatdream compose "),
        (["lab", "run"], "usage: splatdream lab run "),
        (["list", "verbs"], "usage: splatdream list "),
    ],
)
def test_a_wrong_option_is_answered_with_the_usage_of_its_verb(command, usage, capsys):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2 and capsys.readouterr().err.startswith(usage)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tiny", "system.prompt_processor.prompt=an orange unicorn"], "unicorn"),
        (["tiny", "system.exporter.formats=[plyy]"], "has plyy; the formats are ply"),
        (["quickstart-sd", "system.guidance.prior.model=sd21-bass"], "did you mean 'sd21-base'?"),
        (["tiny", "system.renderer.backend=opengl"], "'opengl' is not one of auto, reference, cpu, gsplat"),
        pytest.param(
            ["tiny", "system.renderer.backend=gsplat"], "on CUDA devices only, and torch finds none", marks=CPU
        ),
    ],
)
def test_a_typo_leaves_no_folder(arguments, sentence, tmp_path, capsys):
    assert main(["train", "--output", str(tmp_path / "out"), "--config", *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error and "--verbose" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [["--formats", "plyy"], ["--steps", "0"], ["--prior", "sd21-bass"]])
def test_generate_refuses_settings_before_it_makes_a_folder(option, tmp_path, capsys):
    try:
        assert main(["generate", "an orange cat", "--output", str(tmp_path / "out"), *option]) == 1
    except SystemExit as end:  # what the parser itself refuses
        assert end.code == 2
    assert option[1] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_no_configuration_is_answered_with_the_nearest(capsys):
    assert main(["train", "--config", "quickstar"]) == 1
    assert "did you mean 'quickstart'" in capsys.readouterr().err


def test_a_shipped_configuration_is_found_by_name_and_a_run_ends_with_what_to_open(tmp_path, capsys):
    command = ["train", "--config", "tiny", "--output", str(tmp_path), "trainer.max_steps=1", *FEW]
    assert main(command) == 0
    said = capsys.readouterr().err.splitlines()
    label, _, page = said[-1].partition(": ")
    assert label == "open this" and Path(page).is_file() and Path(page).is_relative_to(tmp_path)
    assert main([*command[:-1], "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_a_dry_run_prints_the_resolved_configuration_and_its_cost_and_makes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", "tiny", "--dry-run", "trainer.max_steps=50", *FEW]) == 0
    text, _, cost = capsys.readouterr().out.rpartition("cost: ")
    configuration = yaml.safe_load(text)
    assert configuration["trainer"]["max_steps"] == configuration["checkpoint"]["every_n_train_steps"] == 50
    # Two views a step, and no guidance.
    assert cost.startswith("50 steps, about 100 evaluations of the denoiser, about ") and "peak memory" in cost
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("prior", "config"),
    [
        ("closed-form", "quickstart"),
        ("toybox-sd", "quickstart-sd"),
        ("toybox-mvdream", "quickstart-mvdream"),
        ("toybox-flow", "quickstart-flow"),
        ("sd15", "gaussian-sds"),
        ("mvdream-sd21", "mvdream-gaussian"),
        ("sd3", "sd3-gaussian"),
        ("flux-schnell", "flux-gaussian"),
    ],
)
def test_generate_chooses_configurations_that_fit_the_prior(prior, config):
    requests = stages("an orange cat", prior, overrides=["seed=3", "texture.trainer.max_steps=7"])
    assert requests[0].config == str(shipped_configs()[config])
    for request in requests:
        check_configuration(request.config, request.settings())
    assert requests[0].configuration()["seed"] == 3 and requests[1].configuration()["trainer"]["max_steps"] == 7


def test_formats_go_to_the_stages_that_know_them():
    first, second = (request.configuration() for request in stages("an orange cat", formats="splat,html,obj", steps=9))
    assert first["system"]["exporter"]["formats"] == ["ply", "splat", "html"] and first["trainer"]["max_steps"] == 9
    assert second["system"]["exporter"]["formats"] == ["glb", "html", "obj"]


def test_a_reader_who_has_read_enough_gets_no_error():
    command = [sys.executable, "-m", "splatdream", "list", "priors"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait()
