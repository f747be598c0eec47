"""What an experiment asks for: variants of a configuration, on prompts, with seeds, at budgets, measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from .budget import BUDGETS, Budget
from .measures import MEASURES
from .prompt_sets import chosen_prompts
from .reading import change, check_keys, check_known, file_content, listed, mapping
from .tuning_plan import Tuning, checked_tuning, tuning_ranges

_KEYS = ("name", "base", "settings", "variants", "prompts", "seeds", "budgets", "measures", "tune")
_VARIANT_KEYS = ("base", "settings", "then", "tune")
_TUNE_KEYS = ("objective", "minimize", "trials", "prompts", "seeds", "budget", "ranges", "seed")
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
    tuning: Tuning | None = None

    def __post_init__(self) -> None:
        for name in ("variants", "prompts", "seeds", "budgets"):
            if not getattr(self, name):
                raise ValueError(f"the grid of '{self.name}' is empty: it has no {name}; give at least one")
        for name in self.measures:
            check_known("measure", name, MEASURES, f"'{self.name}'")
        if self.tuning is not None:
            checked_tuning(self.tuning, self.prompts, [name for key in self.measures for name in MEASURES[key].columns])


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
    document = mapping(file_content(path), f"'{path}'") | dict(map(change, changes))
    check_keys(document, _KEYS, f"'{path}'")
    shared = _stage({key: document.get(key) for key in _STAGE_KEYS}, path)
    variants = mapping(document.get("variants") or {}, "variants")
    return Plan(
        name=str(document.get("name", path.stem)),
        variants=[_variant(str(label), given, shared, path) for label, given in variants.items()],
        prompts=chosen_prompts(document["prompts"], path.parent) if "prompts" in document else (None,),
        seeds=_seeds(document["seeds"]) if "seeds" in document else (None,),
        budgets=_budgets(document["budgets"]) if "budgets" in document else (None,),
        measures=listed(document.get("measures", ["cost"]), "measures"),
        tuning=_tuning(document["tune"], variants, path) if "tune" in document else None,
    )


def _tuning(given: object, variants: Mapping[str, object], path: Path) -> Tuning:
    given = mapping(given, "tune")
    check_keys(given, _TUNE_KEYS, "tune")
    for key in ("objective", "trials", "prompts"):
        if key not in given:
            raise ValueError(f"tune has no {key}; give objective, trials and prompts")
    shared = tuning_ranges(given.get("ranges"), "tune.ranges")
    own = {
        str(label): tuning_ranges((content or {}).get("tune"), f"tune of variant '{label}'")
        for label, content in variants.items()
    }
    budgets = _budgets(given["budget"]) if "budget" in given else []
    if len(budgets) > 1:
        raise ValueError(f"tune.budget is {given['budget']!r}; tuning has one budget, e.g. {{steps: [300]}}")
    return Tuning(
        objective=str(given["objective"]),
        trials=given["trials"],
        prompts=chosen_prompts(given["prompts"], path.parent),
        ranges={label: list({**shared, **ranges}.values()) for label, ranges in own.items()},
        is_minimized=bool(given.get("minimize", False)),
        seeds=_seeds(given.get("seeds", [0])),
        budget=budgets[0] if budgets else None,
        seed=int(given.get("seed", 0)),
    )


def _variant(label: str, given: object, shared: Stage, path: Path) -> Variant:
    place = f"variant '{label}'"
    given = mapping(given or {}, place)
    check_keys(given, _VARIANT_KEYS, place)
    own = _stage(given, path, place)
    stages = [Stage(own.base or shared.base, {**shared.settings, **own.settings})]
    if "then" in given:
        then = mapping(given["then"], f"'then' of {place}")
        check_keys(then, _STAGE_KEYS, f"'then' of {place}")
        stages.append(_stage(then, path, f"'then' of {place}"))
    if not all(stage.base for stage in stages):
        raise ValueError(f"{place} has no base; name a configuration, for it or for all of them")
    return Variant(label, tuple(stages))


def _stage(given: Mapping[str, object], path: Path, place: str = "the file") -> Stage:
    base = given.get("base") or ""
    beside = path.parent / str(base)
    # A change on the command line names files from where it is called.
    found = str(beside if beside.is_file() or not Path(str(base)).is_file() else Path(str(base)))
    return Stage(found if base else "", mapping(given.get("settings") or {}, f"settings of {place}"))


def _seeds(given: object) -> list[int]:
    seeds = listed(given, "seeds")
    if not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise ValueError(f"seeds {seeds} must be whole numbers of at least 0")
    return seeds


def _budgets(given: object) -> list[Budget]:
    by_kind = mapping(given, "budgets")
    check_keys(by_kind, BUDGETS, "budgets")
    return list(chain.from_iterable(_of_kind(kind, amounts) for kind, amounts in by_kind.items()))


def _of_kind(kind: str, amounts: object) -> Iterable[Budget]:
    return (Budget(kind, amount) for amount in listed(amounts, f"budgets.{kind}"))
