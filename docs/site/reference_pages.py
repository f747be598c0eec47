"""Pages of the site that are generated from the code: configuration, commands, lists, functions."""

import contextlib
import inspect
import io
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, get_args, get_origin, get_type_hints

import splatdream
from splatdream.commands import lab, toybox
from splatdream.commands.list import KINDS
from splatdream.commands.main import parse
from splatdream.densification.strategies import STRATEGIES
from splatdream.guidance.methods.registry import METHODS
from splatdream.options.field_lines import field_lines
from splatdream.options.option_range import OptionRange
from splatdream.startup.registration import registered_classes

_SEAMS = (
    "priors.base",
    "priors.noise_process",
    "guidance.methods.declaration",
    "guidance.methods.learner",
    "guidance.denoiser",
    "guidance.reward",
    "assets.base",
    "densification.strategies",
    "initializations.registry",
    "meshing.density_source",
    "runner.request",
    "runner.results",
)
"""Modules that somebody who extends the package meets; docs/architecture.md, "Seams"."""
_GENERATED = "*Made from the code by `python docs/site/build_site.py`.*\n"


def configuration_page() -> str:
    """Every key of every registered class, with its default, its range and what the code says of it."""
    parts = [
        "# Configuration\n",
        _GENERATED,
        "What a YAML may say below the part that names a class with `*_type`, e.g. `system.geometry` below "
        "`system.geometry_type: splatdream-gaussians`. A value that may be a schedule is a number or a list "
        "`[start_step, start, end, end_step]`.\n",
    ]
    for name, cls in registered_classes().items():
        parts += [f"## {name}\n", _first_paragraph(cls) + "\n", *_field_table(cls.Config)]
    parts.append("## Options of guidance methods\n")
    parts.append("`system.guidance.method_options`, by method; [formulas and sources](../methods.md).\n")
    rows = [
        (f"`{method.name}`", f"`{option}`", f"`{default}`")
        for method in METHODS.values()
        for option, default in method.options.items()
    ]
    parts += _table(("method", "option", "default"), rows)
    for strategy in STRATEGIES.values():
        parts += [f"## Densification: {strategy.name}\n", f"`system.densification`, after {strategy.paper}.\n"]
        parts += _field_table(strategy.config_class)
    return "\n".join(parts)


def _field_table(config: type) -> list[str]:
    hints = get_type_hints(config, include_extras=True)
    lines = field_lines(config)
    rows = [
        (f"`{field.name}`", f"`{_default(field)}`", _allowed(hints[field.name]), lines.get(field.name, ""))
        for field in fields(config)
    ]
    return _table(("key", "default", "values", "meaning"), rows)


def _default(field: Field) -> str:
    if field.default is not MISSING:
        return repr(field.default)
    return repr(field.default_factory()) if field.default_factory is not MISSING else "required"


def _allowed(hint: Any) -> str:
    """The kind of value, and its range where one is declared."""
    if hasattr(hint, "__metadata__"):
        ranges = [str(item) for item in hint.__metadata__ if isinstance(item, OptionRange)]
        return ", ".join([_allowed(get_args(hint)[0]), *ranges])
    if hint is Any:
        return "number or schedule"
    if get_origin(hint) is None:
        return getattr(hint, "__name__", str(hint))
    return str(hint).replace("typing.", "").replace("NoneType", "None")


def commands_page() -> str:
    """What `--help` says of every command."""
    parts = ["# Commands\n", _GENERATED]
    for verb in _verbs():
        parts += [f"## splatdream {' '.join(verb)}\n", f"```text\n{_help([*verb, '--help'])}\n```\n"]
    return "\n".join(parts)


def _verbs() -> Iterator[list[str]]:
    from splatdream.commands.main import _VERBS

    for verb in _VERBS:
        package = {"lab": lab, "toybox": toybox}.get(verb)
        if package is None:
            yield [verb]
            continue
        names = {module.name.replace("_", "-") for module in pkgutil.iter_modules(package.__path__)}
        yield from ([verb, name] for name in sorted(names) if _help([verb, name, "--help"]))


def _help(arguments: Sequence[str]) -> str:
    """Empty where there is no such command."""
    output, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "90"
    try:
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            parse(arguments)
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    return output.getvalue().strip()


def lists_page() -> str:
    """What `splatdream list` says of every kind."""
    parts = ["# What there is\n", _GENERATED]
    for kind, (heading, rows_of) in KINDS.items():
        rows = [(f"`{name}`", cost, text) for name, cost, text in rows_of()]
        titles = tuple(title.split(" (docs/")[0].lower() for title in heading)
        if not any(cost for _, cost, _ in rows):
            titles, rows = titles[::2], [row[::2] for row in rows]
        parts += [f"## {kind.capitalize()}\n", f"`splatdream list {kind}`\n", *_table(titles, rows)]
    return "\n".join(parts)


def functions_page() -> str:
    """What `import splatdream` offers."""
    modules = splatdream._PUBLIC
    text = "Each is `splatdream.NAME`. [Which one to take](../python.md).\n"
    return "\n".join(
        ["# Python functions\n", text, *(f"::: splatdream.{modules[name]}.{name}\n" for name in sorted(modules))]
    )


def seams_page() -> str:
    """The modules in which whoever extends the package finds what to write."""
    text = "What a part of your own must offer. [Which seam for what](../architecture.md#seams).\n"
    return "\n".join(["# Seams\n", text, *(f"::: splatdream.{name}\n" for name in _SEAMS)])


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines] + [""]


def _first_paragraph(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration_page,
    "commands.md": commands_page,
    "lists.md": lists_page,
    "python-functions.md": functions_page,
    "seams.md": seams_page,
}
"""By the name of the file in docs/reference/, which is nowhere but in the built site."""
