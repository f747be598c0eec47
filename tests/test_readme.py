"""The README keeps its promises: its commands parse, and what it shows or links to is there."""

import re
import shlex
from pathlib import Path

import pytest
from build_site import TOP_PAGES
from reference_pages import PAGES as GENERATED
from splatdream.commands.main import parse
from splatdream.embedded_host.config import read_config
from splatdream.embedded_host.launch import parse_arguments
from splatdream.startup.launching import parse_launch

ROOT = Path(__file__).parents[1]
# What is in the built site only.
IN_THE_SITE = {ROOT / "docs" / "reference" / name for name in GENERATED} | {
    ROOT / "docs" / name.lower() for name in TOP_PAGES
}
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def commands(start: str) -> list[str]:
    """The lines of the README's shell blocks that begin with a word, or the part of a chained line that does."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    parts = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return [part for part in parts if part.startswith(start)]


@pytest.mark.parametrize("command", commands("splatdream "))
def test_splatdream_commands_of_the_readme_are_understood(command):
    verb, *arguments = shlex.split(command)[1:]
    if verb != "train":
        assert callable(parse([verb, *arguments]).run)
        return
    args, overrides = parse_launch(["--train", *arguments], "splatdream train")
    read_config(args.config, overrides)


@pytest.mark.parametrize("command", [*commands("splatdream "), *commands("python launch.py")])
def test_no_command_of_the_readme_writes_anywhere_but_to_outputs(command):
    places = re.findall(r"--(?:output|picture|folder|page)[ =](\S+)", command)
    assert all(place.startswith("outputs/") for place in places)


@pytest.mark.parametrize("command", commands("python launch.py"))
def test_launch_commands_of_the_readme_are_understood(command):
    args, overrides = parse_arguments(shlex.split(command)[2:])
    if not args.config.startswith("TRIAL"):
        read_config(ROOT / args.config, overrides)
    assert all("=" in override for override in overrides)


def test_both_installing_lines_name_files_that_exist():
    installs = commands("pip install")
    assert len(installs) == 4
    for name in re.findall(r"-r (\S+)", " ".join(installs)):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_exists(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            place = (page.parent / target).resolve()
            assert place in IN_THE_SITE or place.exists(), f"{page.name} points to {target}"
