"""What the doctor finds: packages that are there and do not work, and the host of the folder it is asked in."""

import pytest
from splatdream.commands.doctor import Feature, describe_host, import_errors


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder of packages beside the others."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_a_package_whose_own_needs_are_missing_is_broken_and_the_cause_is_shown(installed):
    (installed / "half_installed.py").write_text("import not_there_at_all")
    (installed / "sound.py").write_text("")
    broken = import_errors(["sound", "half_installed", "json"])
    assert broken == {"half_installed": "ModuleNotFoundError: No module named 'not_there_at_all'"}
    state = Feature("a feature", ("sound", "half_installed"), "pip install it").state(broken)
    assert state.startswith("BROKEN: half_installed cannot be imported (ModuleNotFoundError")
    assert Feature("another", ("sound", "json"), "pip install it").state(broken) == "ready"


def test_a_package_that_ends_the_process_is_the_broken_one(installed):
    (installed / "deadly.py").write_text("import os; os._exit(3)")
    assert import_errors(["json", "deadly", "csv"]) == {"deadly": "the process ended with 3"}


def test_in_the_folder_of_threestudio_its_own_launcher_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SPLATDREAM_HOST", "embedded")
    monkeypatch.chdir(tmp_path)
    assert describe_host() == "embedded (threestudio is not installed)"
    (tmp_path / "threestudio").mkdir()
    (tmp_path / "threestudio" / "__init__.py").touch()
    (tmp_path / "launch.py").touch()
    assert "launch.py in this folder" in describe_host()
