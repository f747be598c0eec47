"""From a YAML and command line overrides to checked configurations.

The resolvers are those of threestudio, so that one YAML runs on both hosts.
"""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc
from yaml import YAMLError

from ..options.option_range import OptionRange, check_fields
from ..options.plain_config import with_tuples
from .nearest import suggestion
from .schedules import largest

RESOLVERS: dict[str, Callable] = {
    "calc_exp_lr_decay_rate": lambda factor, n: factor ** (1.0 / n),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "idiv": lambda a, b: a // b,
    "basename": os.path.basename,
    "rmspace": lambda text, replacement: str(text).replace(" ", replacement),
    "tuple2": lambda number: [float(number), float(number)],
    "gt0": lambda number: number > 0,
    "cmaxgt0": lambda schedule: largest(schedule) > 0,
    "cmaxgt0orcmaxgt0": lambda a, b: largest(a) > 0 or largest(b) > 0,
    "not": lambda value: not value,
}
# omegaconf 2.4 renamed the function; in 2.3 the new name is still that of a deprecated one, which cannot replace.
_RENAMED = "replace" in inspect.signature(OmegaConf.register_resolver).parameters
_register_resolver = OmegaConf.register_resolver if _RENAMED else OmegaConf.register_new_resolver
for _name, _function in RESOLVERS.items():
    _register_resolver(_name, _function, replace=True)


def config_to_primitive(config: DictConfig | ListConfig, resolve: bool = True) -> Any:
    """Plain dicts and lists."""
    return OmegaConf.to_container(config, resolve=resolve)


def parse_structured(config_class: type, cfg: Mapping | None = None) -> Any:
    """An omegaconf node of the dataclass `config_class` with the values of `cfg`.

    Raises:
        ValueError: unknown key (the message names the place and the nearest valid key), a value of another type, or one
            beyond the range that is declared beside its field.
    """
    values = config_to_primitive(cfg) if isinstance(cfg, DictConfig) else dict(cfg or {})
    _check_keys(config_class, cfg, values)
    try:
        checked = config_to_primitive(OmegaConf.merge(OmegaConf.structured(config_class), _literal(values)))
    except OmegaConfBaseException as error:
        key = ".".join(filter(None, [_place(cfg), str(error.full_key or "")]))
        raise ValueError(f"bad value for '{key or config_class.__qualname__}': {_first_line(error)}") from error
    instance = config_class(**with_tuples(config_class, {key: checked[key] for key in values}))
    for item in fields(config_class):
        setattr(instance, item.name, _literal(getattr(instance, item.name)))
    check_fields(_place(cfg), instance, config_class)
    parsed = OmegaConf.structured(instance)
    if isinstance(cfg, DictConfig):
        # Keeps the full key ("system.geometry"), so that errors of nested configurations can name their place.
        parsed._set_parent(cfg._get_parent())
        parsed._set_key(cfg._key())
    return parsed


def _check_keys(config_class: type, cfg: Mapping | None, keys: Iterable[str]) -> None:
    valid = [item.name for item in fields(config_class) if item.init]
    for key in keys:
        if key not in valid:
            place = _place(cfg) if isinstance(cfg, DictConfig) else config_class.__qualname__
            where = f"'{place}'" if place else "the top level"
            raise ValueError(f"unknown key '{key}' in {where}; {suggestion(str(key), valid)}")


def _place(cfg: Mapping | None) -> str:
    """The dotted key of a part of a configuration; empty for its top level, and for values from elsewhere."""
    return str(cfg._get_full_key("") or "") if isinstance(cfg, DictConfig) else ""


def _literal(value: Any) -> Any:
    """Plain values, so written that omegaconf reads them as they are: a resolved text that has "${" has it for good."""
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    return type(value)(map(_literal, value)) if type(value) in (list, tuple) else value


@dataclass
class ExperimentConfig:
    """One run: the top level of a YAML."""

    name: str = "default"
    description: str = ""
    tag: str = ""
    seed: Annotated[int, OptionRange(0, 2**32 - 1)] = 0
    use_timestamp: bool = True
    timestamp: str | None = None
    """Part of the trial's name; a resumed run keeps it, and so keeps its folder."""
    exp_root_dir: str = "outputs"
    exp_dir: str = ""
    """Computed: exp_root_dir/name."""
    trial_name: str = ""
    """Computed: tag and timestamp."""
    trial_dir: str = ""
    """Computed: exp_dir/trial_name."""
    n_gpus: int = 1
    resume: str | None = None
    """Checkpoint to continue from, or to validate, test or export."""
    data_type: str = ""
    data: dict = field(default_factory=dict)
    system_type: str = ""
    system: dict = field(default_factory=dict)
    trainer: dict = field(default_factory=dict)
    """Arguments of pytorch_lightning.Trainer."""
    checkpoint: dict = field(default_factory=dict)
    """Arguments of pytorch_lightning.callbacks.ModelCheckpoint."""

    def __post_init__(self):
        if not self.tag and not self.use_timestamp:
            raise ValueError("a run needs a name of its own: set tag, or use_timestamp: true")
        if self.timestamp is None:
            self.timestamp = datetime.now().strftime("@%Y%m%d-%H%M%S") if self.use_timestamp else ""
        self.trial_name = as_file_name(str(self.tag)) + as_file_name(self.timestamp)
        if os.path.isabs(self.name) or ".." in Path(self.name).parts or not self.trial_name:
            raise ValueError(f"name '{self.name}' and tag '{self.tag}' must name a folder below {self.exp_root_dir}")
        self.exp_dir = os.path.join(self.exp_root_dir, self.name)
        self.trial_dir = os.path.join(self.exp_dir, self.trial_name)


def as_file_name(text: str) -> str:
    """`text` (often a prompt) without what a file system misreads: separators, control characters, leading dots."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", text).lstrip(".").encode()[:150].decode(errors="ignore")


_PROMPT = re.compile(r"(.*\.)?(negative_prompt|prompt|prompt_(front|side|back|overhead))")
"""Keys whose override is text to the letter."""
_TEXTS = {item.name for item in fields(ExperimentConfig) if item.type is str}
"""Keys whose override is text, too, in which interpolations are resolved."""


def load_config(
    path: str | Path, cli_args: Sequence[str] = (), reads_environment: bool = False, **overrides: Any
) -> DictConfig:
    """The ExperimentConfig of a YAML; `overrides` win over `cli_args` (dotted.key=value), which win over the file.

    Args:
        reads_environment: whether `${oc.env:NAME}` may be resolved. A run writes what it resolves to its folder.

    Raises:
        FileNotFoundError: no such file.
        ValueError: something in the file or the overrides cannot be read; the message says what.
    """
    values = read_config(path, cli_args, reads_environment, **overrides)
    try:
        return parse_structured(ExperimentConfig, values)
    except ValueError as error:
        raise ValueError(f"{error} ('{path}' and its overrides)") from error


def read_config(
    path: str | Path, cli_args: Sequence[str] = (), reads_environment: bool = False, **overrides: Any
) -> DictConfig:
    """The resolved content of a YAML, see `load_config`.

    A trial's `parsed.yaml` has lost its interpolations: they are taken from the `raw.yaml` beside it, wherever they
    still give the parsed value. So a larger `trainer.max_steps` moves everything that the author tied to it.
    """
    with _readable(path, reads_environment):
        values = config_to_primitive(OmegaConf.merge(_loaded(Path(path)), _overrides(cli_args), overrides))
    return OmegaConf.create(_literal(values))


class ConfigReader:
    """Reads configurations one after another, as `read_config` does. Files are taken to stay as they were first read.

    Where a configuration differs from an earlier one in single values alone, which is how the runs of an experiment
    differ, these are changed in what was merged for that one.
    """

    def __init__(self) -> None:
        self._overrides: dict[str, tuple[DictConfig, str]] = {}
        self._merged: dict[tuple[str, ...], tuple[DictConfig, list[str]]] = {}

    def values(self, path: str | Path, cli_args: Sequence[str] = ()) -> dict[str, Any]:
        """The resolved content, plain. Raises as `read_config`."""
        with _readable(path, reads_environment=False):
            for argument in cli_args:
                if argument not in self._overrides:
                    change = _overrides([argument])
                    self._overrides[argument] = (change, _but_for_its_value(argument, change))
            changes = [self._overrides[argument][0] for argument in cli_args]
            alike = (str(path), *(self._overrides[argument][1] for argument in cli_args))
            # Taken out, lest a change that fails stays in it.
            merged, before = self._merged.pop(alike, (None, []))
            if merged is None or not _commute(cli_args):
                merged, before = OmegaConf.merge(_loaded(Path(path)), _overrides(cli_args)), list(cli_args)
            for change, old, new in zip(changes, before, cli_args, strict=True):
                if new != old:
                    merged.merge_with(change)
            values = config_to_primitive(merged)
            self._merged[alike] = (merged, list(cli_args))
            return values


def _but_for_its_value(argument: str, change: DictConfig) -> str:
    """The key of an override to a single value; all of one to a list or a mapping, which would be merged."""
    key, value = argument.partition("=")[0], config_to_primitive(change, resolve=False)
    for _ in _parts(key):
        (value,) = value.values()
    return argument if isinstance(value, dict | list) else key


def _parts(key: str) -> list[str]:
    return re.split(r"[.\[]", key)


def _commute(cli_args: Sequence[str]) -> bool:
    """Whether no override touches what another one sets."""
    keys = sorted(_parts(argument.partition("=")[0]) for argument in cli_args)
    return not any(after[: len(before)] == before for before, after in pairwise(keys))


@contextmanager
def _readable(path: str | Path, reads_environment: bool) -> Iterator[None]:
    """Errors of reading, merging and resolving a file as sentences about it."""
    with _environment(reads_environment):
        try:
            yield
        except OmegaConfBaseException as error:
            raise ValueError(f"'{path}': {_first_line(error)}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"'{path}' is not UTF-8 text: {error}") from error
        except YAMLError as error:
            raise ValueError(f"'{path}' or an override is not valid YAML: {' '.join(str(error).split())}") from error


def _loaded(path: Path) -> DictConfig:
    """A YAML as it stands, its interpolations not resolved."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration file '{path}'")
    cfg = OmegaConf.load(path)
    if not isinstance(cfg, DictConfig):
        raise ValueError(f"'{path}' is not a configuration: its top level must be keys and values")
    raw_path = path.with_name("raw.yaml")
    if path.name == "parsed.yaml" and raw_path.is_file():
        return _with_interpolations(cfg, OmegaConf.load(raw_path))
    return cfg


def _overrides(cli_args: Sequence[str]) -> DictConfig:
    """`key=value` each, the value read as YAML unless the key's is a text."""
    cfg = OmegaConf.create()
    for argument in cli_args:
        key, equals, value = argument.partition("=")
        if not equals or argument.startswith("-"):
            raise ValueError(f"cannot read '{argument}': see --help for options; overrides are dotted.key=value")
        if _PROMPT.fullmatch(key):
            OmegaConf.update(cfg, key, _literal(value))
        elif key in _TEXTS:
            OmegaConf.update(cfg, key, value)
        else:
            cfg.merge_with_dotlist([argument])
    return cfg


@contextmanager
def _environment(is_allowed: bool) -> Iterator[None]:
    """While it lasts, `${oc.env:...}` is an error unless it is allowed."""
    if not is_allowed:
        _register_resolver("oc.env", _refuse_environment, replace=True)
    try:
        yield
    finally:
        _register_resolver("oc.env", oc.env, replace=True)


def _refuse_environment(name: str, default: str | None = None) -> str:
    raise ValueError(f"'{name}' would be read from the environment; --allow-env lets configurations do so")


def _with_interpolations(parsed: DictConfig, raw: DictConfig) -> DictConfig:
    """`parsed` with those interpolations of `raw` that still resolve to the parsed value; others were overridden."""
    values = config_to_primitive(parsed)
    restored = _literal(values)
    for path, interpolation in _interpolations(config_to_primitive(raw, resolve=False)):
        try:
            value = _parent(values, path)[path[-1]]
            candidate = _literal(values)
            _parent(candidate, path)[path[-1]] = interpolation
            resolved = config_to_primitive(OmegaConf.create(candidate))
        except (KeyError, IndexError, TypeError, OmegaConfBaseException):
            continue  # the key was overridden away, or its interpolation needs one that was
        if _parent(resolved, path)[path[-1]] == value:
            _parent(restored, path)[path[-1]] = interpolation
    return OmegaConf.create(restored)


def _interpolations(node: Any, path: tuple = ()) -> Iterator[tuple[tuple, str]]:
    """(path, text) of every value with an interpolation."""
    if isinstance(node, str) and "${" in node:
        yield path, node
    elif isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _interpolations(child, (*path, key))


def _parent(container: Any, path: tuple) -> Any:
    for key in path[:-1]:
        container = container[key]
    return container


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
