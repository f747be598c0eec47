"""What the README and the tutorials say to type is typed."""

import re

import pytest
from page_blocks import ELSEWHERE, ROOT, blocks, check, follow, run

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
OTHERS = sorted((ROOT / "docs").glob("*.md"))
# Both lines that install; .ci/run does what they do.
INSTALLS = "python3.11 -m venv"
README_ELSEWHERE = {
    "splatdream train": (
        "tests/commands/test_command_line.py",
        "test_a_shipped_configuration_is_found_by_name_and_a_run_ends_with_what_to_open",
    ),
}

_COMMANDS, _FIT = "tests/commands/test_commands.py", "tests/systems/test_fit.py"
VERBS = {
    "compare": ELSEWHERE["splatdream compare"],
    "compose": (_COMMANDS, "test_compose_concatenates_moves_and_draws"),
    "doctor": (_COMMANDS, "test_doctor_reports_and_finds_this_environment_ready"),
    "evaluate": ("tests/commands/test_evaluate.py", "test_a_toybox_prompt_is_compared_with_the_true_object"),
    "fit": (_FIT, "test_the_command_says_what_was_reached"),
    "generate": ELSEWHERE["splatdream generate"],
    "generate --image": (
        "tests/systems/test_image_distillation.py",
        "test_the_command_goes_from_a_picture_to_a_painted_mesh",
    ),
    "generate-views": (_FIT, "test_generated_views_are_a_folder_that_fit_reads"),
    "initialize": (
        "tests/initializations/test_initialization_registry.py",
        "test_the_command_shows_how_a_file_is_understood",
    ),
    "lab": ("tests/laboratory/test_lab_commands.py", "test_an_experiment_is_planned_made_looked_at_and_reported"),
    "lab tune": ("tests/laboratory/test_tuning.py", "test_the_command_tunes_and_a_run_takes_what_it_chose"),
    "list": ("tests/commands/test_command_line.py", "test_every_kind_is_listed_a_line_each"),
    "playground": ELSEWHERE["splatdream playground"],
    "studio": ("tests/studio/test_steering.py", "test_the_command_serves_a_page_until_ctrl_c"),
    "toybox": (_COMMANDS, "test_a_small_prior_is_trained_from_the_command_line"),
    "train": README_ELSEWHERE["splatdream train"],
    "view": ("tests/viewer/test_live_view.py", "test_serving_prints_the_address_and_ends_with_ctrl_c"),
}
"""Where each command that a page names is run, whatever the page."""


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


@pytest.mark.parametrize(("file", "name"), [*ELSEWHERE.values(), *README_ELSEWHERE.values(), *VERBS.values()])
def test_what_is_run_elsewhere_is_run_there(file, name):
    assert f"def {name}" in (ROOT / file).read_text()


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_what_is_not_run_is_understood(page):
    for block in blocks(page):
        if not block.is_run:
            for command in block.commands():
                check(command)


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.stem)
def test_commands_of_the_other_pages_are_understood_and_their_verbs_are_run(page):
    commands = [command for block in blocks(page) if block.language == "bash" for command in block.commands()]
    for command in commands:
        if command.startswith("splatdream "):
            check(command)
            assert command.split()[1] in VERBS, command


def test_commands_of_the_gallery_are_understood():
    commands = re.findall(r"`(splatdream train [^`]+)`", (ROOT / "docs" / "model-gallery.md").read_text())
    assert len(commands) > 15
    for command in commands:
        check(command)


def test_the_readme_is_short_enough_to_be_read():
    assert len((ROOT / "README.md").read_text().splitlines()) < 120
