"""`splatdream list`: what there is of a kind, each with what it costs and one line about it."""

import argparse
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

Row = tuple[str, str, str]
"""Name, cost, and one line."""


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))


def run(args: argparse.Namespace) -> int:
    heading, rows_of = KINDS[args.kind]
    rows = [heading, *rows_of()]
    widths = [max(len(row[column]) for row in rows) + 2 for column in (0, 1)]
    # In a file or a pipe every line is whole.
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name, cost, text in rows:
        line = f"{name:<{widths[0]}}{cost:<{widths[1]}}{text}".rstrip()
        print(line if len(line) <= room else f"{line[: room - 3]}...")
    return 0


def _methods() -> Iterable[Row]:
    from ..guidance.methods.registry import METHODS

    for method in METHODS.values():
        yield method.name, method.cost, f"{method.summary} ({method.paper})"


def _priors() -> Iterable[Row]:
    from ..priors.model_ids import ALIASES, PACKAGED

    yield "closed-form", "a CPU, no download", "the exact denoiser of the toybox's images; reads the toybox's words"
    for name in PACKAGED:
        yield name, "a CPU, comes along", "a small network trained on the toybox; reads the toybox's words"
    for name, copies in ALIASES.items():
        gate = ", behind a form to sign" if copies[0].is_gated else ""
        yield name, f"a GPU, a download{gate}", f"{copies[0].name} ({copies[0].license})"


def _configs() -> Iterable[Row]:
    from ..startup.shipped import shipped_configs

    return _heads(shipped_configs())


def _experiments() -> Iterable[Row]:
    from ..startup.shipped import EXPERIMENTS, shipped_configs

    return _heads(shipped_configs(EXPERIMENTS))


def _heads(files: Mapping[str, Path]) -> Iterable[Row]:
    """What the comments at the head of each file say: what it makes, and the time it takes or else what it needs."""
    for name, path in files.items():
        parts = re.split(r"^# (Makes|Needs|Time): +", path.read_text(), flags=re.MULTILINE)
        said = {key: _flowing(text) for key, text in zip(parts[1::2], parts[2::2], strict=True)}
        yield name, _cost(said), said["Makes"]


def _cost(said: Mapping[str, str]) -> str:
    time, needs = said.get("Time", ""), said["Needs"]
    if not time or time.startswith("not measured"):
        gpu = re.search(r"a GPU with about [\d.]+ GB", needs)
        return gpu[0] if gpu else _first_clause(needs)
    return _first_clause(time)


def _first_clause(text: str) -> str:
    return re.split(r"[,;:(]|\. |\.$", text)[0].strip()


def _flowing(comment: str) -> str:
    """The lines of a comment up to its end, as one."""
    lines = comment.split("\n")
    rest = [line.removeprefix("#").strip() for line in lines[1:]]
    end = next((place for place, line in enumerate(lines[1:]) if not line.startswith("#  ")), len(rest))
    return " ".join([lines[0].strip(), *rest[:end]])


def _words() -> Iterable[Row]:
    from ..toybox.vocabulary import ACCESSORIES, COLORS, FACED_OBJECTS, FRONTLESS_OBJECTS, VIEW_WORDS

    yield "colors", "", ", ".join(COLORS)
    yield "objects", "", f"with a front: {', '.join(FACED_OBJECTS)}"
    yield "objects", "", f"without one: {', '.join(FRONTLESS_OBJECTS)}"
    yield "accessories", "", f"{', '.join(ACCESSORIES)}, as in: a blue robot wearing a red hat"
    yield "views", "", f"{', '.join(VIEW_WORDS)}, as in: an orange cat, side view"


def _names() -> Iterable[Row]:
    from ..startup.registration import registered_classes

    for name, cls in registered_classes().items():
        yield name, "", _first_line(cls)


def _initializations() -> Iterable[Row]:
    from ..initializations.registry import INITIALIZATIONS

    for name, initialization in INITIALIZATIONS.items():
        yield name, "", _first_line(initialization.read)


def _measures() -> Iterable[Row]:
    from ..laboratory.measures import MEASURES

    for name, measure in MEASURES.items():
        yield name, ", ".join(measure.columns[:3]), measure.legend


def _first_line(documented: object) -> str:
    return textwrap.shorten((inspect.getdoc(documented) or "").split("\n\n")[0], 200)


KINDS: Mapping[str, tuple[Row, Callable[[], Iterable[Row]]]] = {
    "methods": (("METHOD", "EVALUATIONS A VIEW AND STEP", "GRADIENT (docs/methods.md)"), _methods),
    "priors": (("PRIOR", "COST", "WEIGHTS (docs/priors.md)"), _priors),
    "configs": (("CONFIG", "COST", "MAKES"), _configs),
    "experiments": (("EXPERIMENT", "COST", "MAKES"), _experiments),
    "words": (("KIND", "", "WORDS OF THE TOYBOX (docs/toybox.md)"), _words),
    "names": (("NAME", "", "WHAT IS REGISTERED SO"), _names),
    "initializations": (("NAME OR SUFFIX", "", "WHERE A CLOUD BEGINS"), _initializations),
    "measures": (("MEASURE", "FIRST COLUMNS", "WHAT THEY SAY"), _measures),
}
"""A new kind is a function and a line here, with its heading."""
