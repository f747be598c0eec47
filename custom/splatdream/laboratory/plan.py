"""What an experiment asks for: variants of a configuration, on prompts, with seeds, at budgets, measured."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from .measures import MEASURES
from .prompt_sets import chosen_prompts

BUDGETS = ("steps", "evaluations")
"""What a budget may count: optimizer steps, or images through the denoiser."""
_KEYS = ("name", "base", "settings", "variants", "prompts", "seeds", "budgets", "measures")
_VARIANT_KEYS = ("base", "settings", "then")
_STAGE_KEYS = ("base", "settings")


@dataclass(frozen=True)
class Stage:
    """One run of a variant."""

    base: str
    """YAML."""
    settings: Mapping[str, object]
    """Dotted keys of it and their values."""


@dataclass(frozen=True)
class Variant:
    label: str
    stages: tuple[Stage, ...]
    """Each starts from the checkpoint of the one before."""


@dataclass(frozen=True)
class Budget:
    kind: str
    """One of `BUDGETS`."""
    amount: int

    def __str__(self) -> str:
        return f"{self.amount:,} {self.kind}"


@dataclass(frozen=True)
class Plan:
    """The grid of all variants, prompts, seeds and budgets.

    Raises:
        ValueError: the grid is empty, or a budget not positive.
    """

    name: str
    variants: Sequence[Variant]
    prompts: Sequence[str | None] = (None,)
    """None is the configuration's own, as it is for the next two."""
    seeds: Sequence[int | None] = (None,)
    budgets: Sequence[Budget | None] = (None,)
    """Of first stages."""
    measures: Sequence[str] = ("cost",)

    def __post_init__(self) -> None:
        for name in ("variants", "prompts", "seeds", "budgets"):
            if not getattr(self, name):
                raise ValueError(f"the grid of '{self.name}' is empty: it has no {name}; give at least one")
        for budget in filter(None, self.budgets):
            if not isinstance(budget.amount, int) or budget.amount < 1:
                raise ValueError(f"the budget {budget.amount} {budget.kind} must be a whole number of at least 1")
        for name in self.measures:
            _check_known("measure", name, MEASURES, f"'{self.name}'")


def read_plan(path: str | Path, changes: Sequence[str] = ()) -> Plan:
    """The plan in a YAML.

    Args:
        changes: key=value each; they replace keys at the top of the file, e.g. seeds=[0,1].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: something in it cannot be read; one sentence says what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no experiment '{path}'")
    document = _mapping(_content(path), f"'{path}'") | dict(map(_change, changes))
    _check_keys(document, _KEYS, f"'{path}'")
    shared = _stage({key: document.get(key) for key in _STAGE_KEYS}, path)
    variants = _mapping(document.get("variants") or {}, "variants")
    return Plan(
        name=str(document.get("name", path.stem)),
        variants=[_variant(str(label), given, shared, path) for label, given in variants.items()],
        prompts=chosen_prompts(document["prompts"], path.parent) if "prompts" in document else (None,),
        seeds=_seeds(document["seeds"]) if "seeds" in document else (None,),
        budgets=_budgets(document["budgets"]) if "budgets" in document else (None,),
        measures=_list(document.get("measures", ["cost"]), "measures"),
    )


def _variant(label: str, given: object, shared: Stage, path: Path) -> Variant:
    place = f"variant '{label}'"
    given = _mapping(given or {}, place)
    _check_keys(given, _VARIANT_KEYS, place)
    own = _stage(given, path, place)
    stages = [Stage(own.base or shared.base, {**shared.settings, **own.settings})]
    if "then" in given:
        then = _mapping(given["then"], f"'then' of {place}")
        _check_keys(then, _STAGE_KEYS, f"'then' of {place}")
        stages.append(_stage(then, path, f"'then' of {place}"))
    if not all(stage.base for stage in stages):
        raise ValueError(f"{place} has no base; name a configuration, for it or for all of them")
    return Variant(label, tuple(stages))


def _stage(given: Mapping[str, object], path: Path, place: str = "the file") -> Stage:
    base = given.get("base") or ""
    beside = path.parent / str(base)
    # A change on the command line names files from where it is called.
    found = str(beside if beside.is_file() or not Path(str(base)).is_file() else Path(str(base)))
    return Stage(found if base else "", _mapping(given.get("settings") or {}, f"settings of {place}"))


def _seeds(given: object) -> list[int]:
    seeds = _list(given, "seeds")
    if not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise ValueError(f"seeds {seeds} must be whole numbers of at least 0")
    return seeds


def _budgets(given: object) -> list[Budget]:
    by_kind = _mapping(given, "budgets")
    _check_keys(by_kind, BUDGETS, "budgets")
    return list(chain.from_iterable(_of_kind(kind, amounts) for kind, amounts in by_kind.items()))


def _of_kind(kind: str, amounts: object) -> Iterable[Budget]:
    return (Budget(kind, amount) for amount in _list(amounts, f"budgets.{kind}"))


def _change(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"cannot read '{text}'; changes are key=value, e.g. seeds=[0,1]")
    return key, yaml_value(value)


def yaml_value(text: str) -> object:
    """What a configuration would read in the text.

    Raises:
        ValueError: it is no YAML.
    """
    try:
        return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]), resolve=False)["value"]
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(f"'{text}' is not valid YAML: {' '.join(str(error).split())}") from error


def _content(path: Path) -> object:
    # As configurations are read: 1e-3 is a number.
    try:
        return OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' is not valid YAML: {' '.join(str(error).split())}") from error


def _mapping(given: object, place: str) -> dict:
    if not isinstance(given, dict):
        raise ValueError(f"{place} must be keys and values, not {given!r}")
    return given


def _list(given: object, place: str) -> list:
    if not isinstance(given, list):
        raise ValueError(f"{place} must be a list, e.g. [a, b], not {given!r}")
    return given


def _check_keys(given: Mapping, known: Sequence[str], place: str) -> None:
    for key in given:
        _check_known("key", str(key), known, place)


def _check_known(what: str, name: str, known: Iterable[str], place: str) -> None:
    if name not in known:
        nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
        raise ValueError(f"unknown {what} '{name}' in {place} (nearest: '{nearest}'); known are {', '.join(known)}")
