"""The cells of a plan's grid: what each asks to be run, checked before anything runs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path

from ..priors.content import json_sha256
from ..runner.fingerprint import Fingerprints
from ..runner.request import PROMPT, RunRequest, setting
from ..runner.results import RunResult
from ..startup.configuration import ConfigReader, check_configuration
from ..storage.atomic_file import write_text
from .budget import Budget
from .evaluation_budget import steps_within
from .plan import Plan, Stage, Variant
from .seconds_budget import steps_in_seconds

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
    tuning: Mapping[str, object] | None = None
    """How the variants' settings were chosen, as `lab tune` has written it down."""

    @property
    def made_cells(self) -> list[Cell]:
        """The cells without those whose run another one stands for, too."""
        return list({cell.key: cell for cell in self.cells}.values())

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


def resolved_study(plan: Plan, kept_counts: Path | None = None, tuning: Mapping[str, object] | None = None) -> Study:
    """All cells of a plan in the order in which they are best made: those of one prior together, seed by seed.

    Args:
        kept_counts: a file that keeps how many steps a budget of evaluations or seconds has room for.
        tuning: how the plan's settings were chosen.

    Raises:
        FileNotFoundError, ValueError: a base or a prior is not there, a key is unknown, a budget too small, or two
            cells are alike; one sentence says which.
        RuntimeError: a trial that times a budget of seconds failed.
    """
    first = {variant.label: _checked(variant, plan) for variant in plan.variants}
    cells, by_key = list(_cells(plan, first, kept_counts)), dict[str, Cell]()
    for cell in cells:
        twin = by_key.setdefault(cell.key, cell)
        # Budgets of two kinds may come to the same run of one variant; it is made once and stands for both.
        if twin is not cell and (twin.variant != cell.variant or _kind(twin) == _kind(cell)):
            raise ValueError(f"'{twin.title}' and '{cell.title}' are alike: both ask for the same run; leave one out")
    return Study(plan.name, list(plan.measures), cells, _differences(first), tuning)


def _kind(cell: Cell) -> str:
    """Of the budget: the words after its amount."""
    return cell.budget.partition(" ")[2]


def planned_cells(plan: Plan, kept_counts: Path | None = None) -> list[Cell]:
    """The cells of `resolved_study`, where several may ask for the same run."""
    return list(_cells(plan, {variant.label: _checked(variant, plan) for variant in plan.variants}, kept_counts))


def _cells(plan: Plan, first: Mapping[str, list[Mapping]], kept_counts: Path | None) -> Iterator[Cell]:
    priors = {label: json.dumps(_prior(configurations[0]), sort_keys=True) for label, configurations in first.items()}
    groups: dict[str, list[Variant]] = {}
    for variant in plan.variants:
        groups.setdefault(priors[variant.label], []).append(variant)
    fingerprints = Fingerprints()
    for seed, budget, variants, prompt in product(plan.seeds, plan.budgets, groups.values(), plan.prompts):
        for variant in variants:
            steps = None if budget is None else _steps(variant, budget, plan, seed, prompt, kept_counts, fingerprints)
            yield _cell(variant, prompt, seed, budget, steps, first[variant.label][0], fingerprints)


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
        request = request_of(stage, plan.prompts[0], plan.seeds[0], variant.label)
        with _named(variant):
            check_configuration(request.config, request.settings())
            configurations.append(request.configuration())
    return configurations


def _cell(
    variant: Variant,
    prompt: str | None,
    seed: int | None,
    budget: Budget | None,
    steps: int | None,
    own: Mapping,
    fingerprints: Fingerprints,
) -> Cell:
    requests = [request_of(stage, prompt, seed, variant.label) for stage in variant.stages]
    if steps is not None:
        requests[0] = replace(requests[0], overrides=[*requests[0].overrides, f"trainer.max_steps={steps}"])
    with _named(variant):
        key = json_sha256([fingerprints.of(request) for request in requests])[:16]
    asked = own["system"]["prompt_processor"].get("prompt", "") if prompt is None else prompt
    return Cell(
        key,
        variant.label,
        asked,
        own.get("seed", 0) if seed is None else seed,
        "" if budget is None else str(budget),
        tuple(requests),
    )


def request_of(stage: Stage, prompt: str | None, seed: int | None, label: str) -> RunRequest:
    """A stage on a prompt, with a seed; None leaves those of its configuration."""
    settings = [_override(key, value) for key, value in stage.settings.items()]
    seeds = [] if seed is None else [f"seed={seed}"]
    name = "-".join(str(part) for part in (label, prompt, seed) if part is not None)
    config = str(Path(stage.base).resolve())
    return RunRequest(config, [*settings, *seeds, "trainer.enable_progress_bar=false"], prompt, name)


def _override(key: str, value: object) -> str:
    # The host takes prompts to the letter.
    is_text = isinstance(value, str) and key.rpartition("prompt_processor.")[2].endswith("prompt")
    return f"{key}={value}" if is_text else f"{key}={json.dumps(value)}"


def _steps(
    variant: Variant,
    budget: Budget,
    plan: Plan,
    seed: int | None,
    prompt: str | None,
    counts: Path | None,
    fingerprints: Fingerprints,
) -> int:
    """What the budget is in steps; each length is a run of its own, since schedules follow it."""
    if budget.kind == "steps":
        return budget.amount
    with _named(variant):
        if budget.kind == "evaluations":
            request = request_of(variant.stages[0], prompt, seed, variant.label)
            steps = _kept(request, budget, steps_within, counts, fingerprints.reader)
        else:
            # Once for all prompts and seeds, which are to have equal steps.
            timed = request_of(variant.stages[0], plan.prompts[0], plan.seeds[0], variant.label)
            steps = _kept(timed, budget, steps_in_seconds, counts, fingerprints.reader)
        if steps < MIN_STEPS:
            raise ValueError(f"{budget} are {steps} steps, fewer than {MIN_STEPS}; raise the budget")
    return steps


def _kept(
    request: RunRequest,
    budget: Budget,
    count: Callable[[RunRequest, int], int],
    counts: Path | None,
    reader: ConfigReader,
) -> int:
    # Streams of timesteps and cameras follow the seed, not the prompt.
    configuration = request.configuration(reader)
    configuration["system"]["prompt_processor"].pop(PROMPT.rpartition(".")[2], None)
    key = json_sha256([configuration, str(budget)])
    kept = json.loads(counts.read_text()) if counts is not None and counts.is_file() else _counted
    if key not in kept:
        kept[key] = count(request, budget.amount)
        if counts is not None:
            write_text(counts, json.dumps(kept))
    return kept[key]


_counted: dict[str, int] = {}
"""Of this process, where no file keeps them."""


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
