"""The code blocks of a page, and running the commands in them as they stand, but for length and size of the runs."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from splatdream.commands.main import main, parse
from splatdream.embedded_host.config import read_config
from splatdream.startup.launching import main as launch
from splatdream.startup.launching import parse_launch

ROOT = Path(__file__).parents[2]
_NOT_RUN = "# checked, not run: "
_FEW_STEPS, _FEW_MORE = 4, 6
_COMMANDS = "tests/commands/test_commands.py"
ELSEWHERE = {
    "splatdream generate": (
        _COMMANDS,
        "test_generate_goes_from_a_sentence_to_a_textured_mesh_and_keeps",
    ),
    "splatdream compare": (_COMMANDS, "test_compare_runs_a_variant_once_and_again_when_something_that_decides_it_has"),
    "splatdream playground": (_COMMANDS, "test_the_playground_draws_a_row_a_method_and_prints_what_each_cost"),
}
"""Commands that are run by a test of a file, by how it begins, and not again."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str
    """The file that it is to be saved as; empty if none."""
    text: str

    @property
    def is_run(self) -> bool:
        return not self.text.startswith(_NOT_RUN)

    def commands(self) -> Iterator[str]:
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield re.sub(r"\s+#.*", "", line).strip()


def blocks(page: Path) -> list[Block]:
    """Of a Markdown page, in their order."""
    found = re.findall(r'```(\w+)(?: title="([^"]+)")?\n(.*?)```', page.read_text(), flags=re.DOTALL)
    return [Block(*parts) for parts in found]


def follow(page: Path) -> None:
    """Saves and runs, in the working directory, what a page says, in its order."""
    for block in blocks(page):
        if block.title:
            Path(block.title).write_text(block.text)
        elif block.language == "bash" and block.is_run:
            for command in block.commands():
                run(command)


def run(command: str) -> None:
    if command.startswith(tuple(ELSEWHERE)):
        check(command)
        return
    program, *arguments = shlex.split(command)
    if program == "splatdream":
        assert main(_shorter(arguments)) == 0, command
    elif (program, arguments[0]) == ("python", "launch.py"):
        assert launch(_few_steps(arguments[1:])) == 0, command
    elif program == "python":
        subprocess.run([sys.executable, *arguments], check=True)
    else:
        assert program in {"mkdir", "cp"}, f"nobody knows how to run {command}"
        subprocess.run([program, *arguments], check=True)


def _shorter(arguments: Sequence[str]) -> list[str]:
    if arguments[0] == "train":
        return _few_steps(arguments)
    if list(arguments[:2]) == ["lab", "run"]:
        # In this process: workers take longer to start than these runs take.
        place = arguments.index("--workers") if "--workers" in arguments else len(arguments)
        few = ["prompts=[an orange cat]", "seeds=[0]", "budgets={steps: [1]}", "measures=[cost]"]
        return [*arguments[:place], *arguments[place + 2 :], "--set", *few]
    return list(arguments)


def _few_steps(arguments: Sequence[str]) -> list[str]:
    kept = [word for word in arguments if not word.startswith("trainer.max_steps=")]
    is_resumed = any(word.startswith("resume=") for word in arguments)
    small = ("data.num_test_views=2", "data.num_val_views=1", "data.eval_width=32", "data.eval_height=32")
    return [*kept, f"trainer.max_steps={_FEW_MORE if is_resumed else _FEW_STEPS}", *small]


def check(command: str) -> None:
    """The parser understands it, and its configuration can be read."""
    program, *arguments = shlex.split(command)
    if program != "splatdream":
        return
    if arguments[0] == "train" and "--dry-run" not in arguments:
        args, overrides = parse_launch(["--train", *arguments[1:]], "splatdream train")
        read_config(args.config, overrides)
    else:
        assert callable(parse(arguments).run)
