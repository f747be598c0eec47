"""Guidance methods on equal terms: every variant on every prompt and seed, at equal denoiser evaluations.

A second call goes on where the first stopped. After a change of the configuration, of a variant's settings, of the
budget or of a prior's weights a row is made again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from omegaconf import OmegaConf

from ..cameras.conventions import wrap_degrees
from ..evaluation.yaw_map import FRONT_DEG, YawMap
from ..gaussians.ply import read_ply
from ..runner.execution import Executor, Runs
from ..runner.fingerprint import fingerprint
from ..runner.request import RunRequest
from ..runner.results import RunResult
from ..storage.atomic_file import write_text
from ..toybox.vocabulary import parse_caption
from .evaluation_budget import plan_steps
from .method_variants import Variant, settings_of
from .table_rows import Row, TableRun, measured_rows
from .toybox_table import ONLY_THE_CLOUD, evaluate, numbers

MIN_STEPS = 10
"""A run refines its Gaussians ten times; with fewer steps there is nothing to compare."""


@dataclass(frozen=True)
class TableRequest:
    """What to compare, and where."""

    variants: Sequence[Variant]
    prompts: Sequence[str]
    seeds: Sequence[int]
    evaluations: int
    """Budget of every run."""
    models: Mapping[str, str]
    """Folder or short name of each prior, by the names that variants use."""
    config: str
    """YAML that all variants share."""
    folder: Path
    """Runs and results."""
    overrides: Sequence[str] = ()
    """Changes to the configuration, key=value."""

    def __post_init__(self) -> None:
        for name in ("variants", "prompts", "seeds"):
            if not getattr(self, name):
                raise ValueError(f"the table has no {name}; give at least one")
        if self.evaluations < 1:
            raise ValueError(f"the budget is {self.evaluations} denoiser evaluations; it must be at least 1")
        for prompt in self.prompts:
            parse_caption(prompt)


@dataclass(frozen=True)
class Cell:
    """One run of the table."""

    variant: Variant
    prompt: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.variant.label}/{self.prompt}/{self.seed}"


def cells(request: TableRequest) -> Iterator[Cell]:
    """Seed by seed, so that an unfinished table compares all methods on all prompts."""
    for seed in request.seeds:
        for prompt in request.prompts:
            for variant in request.variants:
                yield Cell(variant, prompt, seed)


def run_table(execute: Executor, request: TableRequest) -> dict[str, Row]:
    """The rows of all cells, those that were missing made by runs, each with the folder of its run.

    Raises:
        ValueError: something in the request cannot be run, before anything ran.
        FileNotFoundError: a prior that a variant needs is not there, likewise.
        RuntimeError: a run failed; the results so far are kept.
    """
    runs = Runs(request.folder / "runs", execute)
    steps = _steps(request)
    wanted = {
        cell.key: _table_run(runs, request, cell, steps[cell.variant.label, cell.seed]) for cell in cells(request)
    }
    return measured_rows("methods", wanted, request.folder)


def _steps(request: TableRequest) -> dict[tuple[str, int], int]:
    """How many steps each variant has room for, by label and seed. Counting takes seconds each: counts are kept."""
    path = request.folder / "steps.json"
    kept = json.loads(path.read_text()) if path.is_file() else {}
    steps = {}
    for variant in request.variants:
        for seed in request.seeds:
            run = _request(request, Cell(variant, request.prompts[0], seed))
            key = f"{fingerprint(run)}/{request.evaluations}"
            if key not in kept:
                print(f"counting how many steps {variant.label}, seed {seed}, has room for", flush=True)
                kept[key] = _count_steps(run, variant.label, request.evaluations)
                write_text(path, json.dumps(kept, indent=1))
            steps[variant.label, seed] = kept[key]
    return steps


def _count_steps(run: RunRequest, variant: str, evaluations: int) -> int:
    config = OmegaConf.merge(OmegaConf.load(run.config), OmegaConf.from_dotlist(run.settings()))
    steps = plan_steps(OmegaConf.to_container(config, resolve=False), evaluations).steps
    if steps < MIN_STEPS:
        raise ValueError(
            f"{evaluations} denoiser evaluations are {steps} steps of {variant}, fewer than {MIN_STEPS}; "
            "raise --evaluations"
        )
    return steps


def _request(request: TableRequest, cell: Cell, length: Sequence[str] = ()) -> RunRequest:
    """The run of a cell; without a length its steps are those of the configuration."""
    settings = [f"seed={cell.seed}", "trainer.enable_progress_bar=false", *length, *ONLY_THE_CLOUD]
    for key, value in settings_of(cell.variant, request.models).items():
        settings.append(f"{key}={json.dumps(value) if isinstance(value, list | bool) else value}")
    label = f"{cell.variant.label}-{cell.prompt}-{cell.seed}"
    return RunRequest(request.config, [*settings, *request.overrides], cell.prompt, label)


def _table_run(runs: Runs, request: TableRequest, cell: Cell, steps: int) -> TableRun:
    run = _request(request, cell, [f"trainer.max_steps={steps}"])
    title = f"{cell.variant.label}, {cell.prompt}, seed {cell.seed}"
    facts = {"variant": cell.variant.label, "prompt": cell.prompt, "seed": cell.seed}
    return TableRun(title, lambda obtain: obtain(runs, run), partial(_measure, cell.prompt), facts)


def _measure(prompt: str, result: RunResult) -> Row:
    manifest = result.read_manifest()
    report = evaluate(read_ply(result.file("cloud")), prompt)
    return {
        "steps": manifest["steps"],
        "evaluations": manifest["denoiser_evaluations"],
        "seconds": round(sum(manifest["seconds_by_stage"].values()), 2),
        "num_gaussians": manifest["num_gaussians"],
        **numbers(report),
        "front_share": front_share(report.yaw_map),
    }


def front_share(yaw_map: YawMap) -> float:
    """The share of views all round that look most like the front: 7 of 24 for a true object."""
    true_azimuth = wrap_degrees(yaw_map.matched_azimuth_deg + yaw_map.rotation_deg)
    return float((true_azimuth.abs() <= FRONT_DEG).float().mean())
