"""The cells of a plan's grid: what each asks to be run, checked before anything runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path

from ..priors.content import json_sha256
from ..runner.fingerprint import fingerprint
from ..runner.request import PROMPT, RunRequest, setting
from ..runner.results import RunResult
from ..startup.configuration import check_configuration
from ..storage.atomic_file import write_text
from .evaluation_budget import steps_within
from .plan import Budget, Plan, Stage, Variant

MIN_STEPS = 10
"""A run refines its Gaussians ten times; with fewer steps there is nothing to compare."""
_STUDY = "study.json"


@dataclass(frozen=True)
class Cell:
    """One result of the grid: a variant on a prompt, with a seed, at a budget."""

    key: str
    """What it is, told by the fingerprints of its stages."""
    variant: str
    prompt: str
    seed: int
    budget: str
    """In words; empty for the configuration's own length."""
    stages: tuple[RunRequest, ...]

    @property
    def title(self) -> str:
        return ", ".join(filter(None, [self.variant, self.prompt, f"seed {self.seed}", self.budget]))


@dataclass(frozen=True)
class Study:
    """A plan, resolved; written to its folder, it is all that workers and reports need."""

    name: str
    measures: Sequence[str]
    cells: Sequence[Cell]
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Of each variant, the keys of its resolved configuration that not all variants have alike."""

    def write(self, folder: Path) -> None:
        write_text(folder / _STUDY, json.dumps(asdict(self), indent=1))


def read_study(folder: Path) -> Study:
    """Raises FileNotFoundError where none has been begun."""
    path = folder / _STUDY
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no experiment; begin one with `splatdream lab run FILE --output {folder}`"
        )
    given = json.loads(path.read_text())
    cells = [
        Cell(**cell | {"stages": tuple(RunRequest(**stage) for stage in cell["stages"])}) for cell in given["cells"]
    ]
    return Study(**given | {"cells": cells})


def check_owner(name: str, folder: Path) -> None:
    """Raises ValueError where another experiment has the folder. One that has changed goes on in its own."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; choose a folder")
    if (folder / _STUDY).is_file() and (owner := read_study(folder).name) != name:
        raise ValueError(f"{folder} belongs to the experiment '{owner}', not to '{name}'; choose another --output")


def resolved_study(plan: Plan, kept_counts: Path | None = None) -> Study:
    """All cells of a plan in the order in which they are best made: those of one prior together, seed by seed.

    Args:
        kept_counts: a file that keeps how many steps a budget of evaluations has room for; counting takes seconds.

    Raises:
        FileNotFoundError, ValueError: a base or a prior is not there, a key is unknown, a budget too small, or two
            cells are alike; one sentence says which.
    """
    first = {variant.label: _checked(variant, plan) for variant in plan.variants}
    priors = {label: json.dumps(_prior(configurations[0]), sort_keys=True) for label, configurations in first.items()}
    groups: dict[str, list[Variant]] = {}
    for variant in plan.variants:
        groups.setdefault(priors[variant.label], []).append(variant)
    cells: dict[str, Cell] = {}
    for seed, budget, variants, prompt in product(plan.seeds, plan.budgets, groups.values(), plan.prompts):
        for variant in variants:
            _add(cells, _cell(variant, prompt, seed, budget, first[variant.label][0], kept_counts))
    return Study(plan.name, list(plan.measures), list(cells.values()), _differences(first))


def started_from(stage: RunRequest, earlier: RunResult | None) -> RunRequest:
    """A stage that begins where an earlier one ended."""
    if earlier is None:
        return stage
    start = setting("system.geometry_convert_from", str(earlier.file("checkpoint")))
    return replace(stage, overrides=[start, *stage.overrides])


def _checked(variant: Variant, plan: Plan) -> list[Mapping]:
    """The resolved configurations of a variant's stages, for the first prompt and seed."""
    configurations = []
    for stage in variant.stages:
        request = _request(stage, plan.prompts[0], plan.seeds[0], variant.label)
        with _named(variant):
            check_configuration(request.config, request.settings())
            configurations.append(request.configuration())
    return configurations


def _cell(
    variant: Variant, prompt: str | None, seed: int | None, budget: Budget | None, own: Mapping, counts: Path | None
) -> Cell:
    requests = [_request(stage, prompt, seed, variant.label) for stage in variant.stages]
    with _named(variant):
        if budget is not None:
            requests[0] = _within(requests[0], budget, counts)
        key = json_sha256([fingerprint(request) for request in requests])[:16]
    asked = own["system"]["prompt_processor"].get("prompt", "") if prompt is None else prompt
    return Cell(
        key,
        variant.label,
        asked,
        own.get("seed", 0) if seed is None else seed,
        "" if budget is None else str(budget),
        tuple(requests),
    )


def _request(stage: Stage, prompt: str | None, seed: int | None, label: str) -> RunRequest:
    settings = [_override(key, value) for key, value in stage.settings.items()]
    seeds = [] if seed is None else [f"seed={seed}"]
    name = "-".join(str(part) for part in (label, prompt, seed) if part is not None)
    config = str(Path(stage.base).resolve())
    return RunRequest(config, [*settings, *seeds, "trainer.enable_progress_bar=false"], prompt, name)


def _override(key: str, value: object) -> str:
    # The host takes prompts to the letter.
    is_text = isinstance(value, str) and key.rpartition("prompt_processor.")[2].endswith("prompt")
    return f"{key}={value}" if is_text else f"{key}={json.dumps(value)}"


def _within(request: RunRequest, budget: Budget, counts: Path | None) -> RunRequest:
    steps = budget.amount if budget.kind == "steps" else _count(request, budget.amount, counts)
    if budget.kind == "evaluations" and steps < MIN_STEPS:
        raise ValueError(f"{budget} are {steps} steps, fewer than {MIN_STEPS}; raise the budget")
    return replace(request, overrides=[*request.overrides, f"trainer.max_steps={steps}"])


def _count(request: RunRequest, evaluations: int, counts: Path | None) -> int:
    # Streams of timesteps and cameras follow the seed, not the prompt.
    configuration = request.configuration()
    configuration["system"]["prompt_processor"].pop(PROMPT.rpartition(".")[2], None)
    key = json_sha256([configuration, evaluations])
    kept = json.loads(counts.read_text()) if counts is not None and counts.is_file() else _counted
    if key not in kept:
        kept[key] = steps_within(request, evaluations)
        if counts is not None:
            write_text(counts, json.dumps(kept))
    return kept[key]


_counted: dict[str, int] = {}
"""Of this process, where no file keeps them."""


def _add(cells: dict[str, Cell], cell: Cell) -> None:
    twin = cells.setdefault(cell.key, cell)
    if twin is not cell:
        raise ValueError(f"'{twin.title}' and '{cell.title}' are alike: both ask for the same run; leave one out")


def _prior(configuration: Mapping) -> list[object]:
    guidance = configuration["system"].get("guidance") or {}
    return [guidance.get("prior_type"), guidance.get("prior")]


def _differences(first: Mapping[str, list[Mapping]]) -> dict[str, dict[str, object]]:
    flat = {label: dict(_flat(_named_stages(configurations))) for label, configurations in first.items()}
    keys = sorted({key for values in flat.values() for key in values})
    differing = [key for key in keys if len({json.dumps(values.get(key)) for values in flat.values()}) > 1]
    return {label: {key: values[key] for key in differing if key in values} for label, values in flat.items()}


def _named_stages(configurations: list[Mapping]) -> dict[str, object]:
    first, *then = configurations
    return {**first, **({"then": then[0]} if then else {})}


def _flat(node: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@contextmanager
def _named(variant: Variant) -> Iterator[None]:
    """Within the block, errors say which variant they are about."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"variant '{variant.label}': {error}") from error
