"""What the README and the tutorials say to type is typed."""

import re

import pytest
from page_blocks import ELSEWHERE, ROOT, blocks, check, follow, run

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
# Both lines that install; .ci/run does what they do.
INSTALLS = "python3.11 -m venv"
README_ELSEWHERE = {
    "splatdream train": (
        "tests/commands/test_command_line.py",
        "test_a_shipped_configuration_is_found_by_name_and_a_run_ends_with_what_to_open",
    ),
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A working directory that looks like a checkout, with outputs of its own."""
    for name in ("configs", "custom", "examples", "launch.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "custom"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_can_be_followed(page, checkout):
    follow(page)


def readme_commands() -> list[str]:
    found = [
        command for block in blocks(ROOT / "README.md") if block.language == "bash" for command in block.commands()
    ]
    return [command for command in found if not command.startswith(INSTALLS)]


@pytest.mark.parametrize("command", readme_commands())
def test_a_command_of_the_readme_runs(command, checkout):
    if command.startswith(tuple(README_ELSEWHERE)):
        check(command)
    else:
        run(command)


@pytest.mark.parametrize(("file", "name"), [*ELSEWHERE.values(), *README_ELSEWHERE.values()])
def test_what_is_run_elsewhere_is_run_there(file, name):
    assert f"def {name}" in (ROOT / file).read_text()


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_what_is_not_run_is_understood(page):
    for block in blocks(page):
        if not block.is_run:
            for command in block.commands():
                check(command)


def test_commands_of_the_gallery_are_understood():
    commands = re.findall(r"`(splatdream train [^`]+)`", (ROOT / "docs" / "model-gallery.md").read_text())
    assert len(commands) > 15
    for command in commands:
        check(command)


def test_the_readme_is_short_enough_to_be_read():
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
