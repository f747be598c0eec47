"""`splatdream lab` from end to end, on real runs of one step."""

from fake_runs import written
from splatdream.commands.main import main


def test_an_experiment_is_planned_made_looked_at_and_reported(tmp_path, capsys):
    output = tmp_path / "out"
    few = ["--set", "prompts=[a red car]", "budgets={steps: [1]}", "measures=[cost, toybox]"]
    command = ["lab", "run", str(written(tmp_path)), "--output", str(output), *few]
    assert main([*command, "--dry-run"]) == 0
    assert not output.exists()
    assert "2 results: 0 are there, 2 to be made" in capsys.readouterr().out
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "[2/2] blind, a red car, seed 0, 1 steps" in printed and "2 done, 0 running, 0 failed" in printed
    assert main(["lab", "status", str(output)]) == 0
    assert "tiny: 2 done" in capsys.readouterr().out
    assert main(["lab", "report", str(output)]) == 0
    assert "| words | 1 steps | 1 | 1 | 2 |" in capsys.readouterr().out
    assert main(command) == 0
    assert "2 of 2 results are in" in capsys.readouterr().out
