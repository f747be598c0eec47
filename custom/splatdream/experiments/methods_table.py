"""Guidance methods on equal terms: every variant on every prompt and seed, at equal denoiser evaluations.

Results go to a store as they come, so a second call goes on where the first stopped. A row remembers what made it:
after a change of the configuration, of a variant's settings, of the budget or of a prior's weights it is made again.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf
from tqdm import tqdm

from ..cameras.conventions import wrap_degrees
from ..evaluation.yaw_map import FRONT_DEG, YawMap
from ..gaussians.ply import read_ply
from ..priors.model_files import STABLE_DIFFUSION_PARTS, locate_model
from ..toybox.vocabulary import parse_caption
from .evaluation_budget import StepPlan, plan_steps
from .method_variants import Variant, settings_of
from .results_store import ResultsStore
from .toybox_table import ONLY_THE_CLOUD, Launch, Row, evaluate, numbers

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


def run_table(launch: Launch, request: TableRequest) -> dict[str, Row]:
    """The rows of all cells, those that were missing made by runs. A bar shows runs and the remaining time.

    Args:
        launch: runs one launch command line and returns its exit code.

    Raises:
        ValueError: something in the request cannot be run, before anything ran.
        FileNotFoundError: a prior that a variant needs is not there, likewise.
        RuntimeError: a run failed; the results so far are kept.
    """
    store = ResultsStore(request.folder / "results.jsonl")
    hashes = {name: _weights_hash(request.models[name]) for name in {item.prior for item in request.variants}}
    wanted = {cell.key: (cell, _fingerprint(request, cell, hashes)) for cell in cells(request)}
    rows = store.rows()
    missing = [item for key, item in wanted.items() if rows.get(key, {}).get("made_by") != item[1]]
    plans: dict[tuple[str, int], StepPlan] = {}
    if missing:
        print(
            f"{len(missing)} of {len(wanted)} runs are missing; counting how many steps each has room for", flush=True
        )
    for cell, _ in missing:
        if (cell.variant.label, cell.seed) not in plans:
            plans[cell.variant.label, cell.seed] = _plan(request, cell)
    with tqdm(total=len(wanted), initial=len(wanted) - len(missing), unit="run", dynamic_ncols=True) as bar:
        for cell, fingerprint in missing:
            bar.set_description(f"{cell.variant.label}, {cell.prompt}, seed {cell.seed}")
            row = _run(launch, request, cell, plans[cell.variant.label, cell.seed])
            store.add(cell.key, row | {"made_by": fingerprint})
            bar.update()
    rows = store.rows()
    return {key: rows[key] for key in wanted}


def cloud_path(request: TableRequest, cell: Cell) -> Path:
    """Where the Gaussians of a finished run are."""
    exports = (_trial(request, cell) / "save").glob("it*-export/cloud.ply")
    # A run with another budget may have left its own there.
    return max(exports, key=lambda path: path.stat().st_mtime)


def _trial(request: TableRequest, cell: Cell) -> Path:
    return request.folder / "runs" / _tag(cell)


def _tag(cell: Cell) -> str:
    return f"{cell.variant.label}-{cell.prompt}-{cell.seed}".replace(" ", "_")


def _plan(request: TableRequest, cell: Cell) -> StepPlan:
    config = OmegaConf.merge(OmegaConf.load(request.config), _as_config([*_arguments(request, cell)]))
    plan = plan_steps(OmegaConf.to_container(config, resolve=False), request.evaluations)
    if plan.steps < MIN_STEPS:
        raise ValueError(
            f"{request.evaluations} denoiser evaluations are {plan.steps} steps of {cell.variant.label}, "
            f"fewer than {MIN_STEPS}; raise --evaluations"
        )
    return plan


def _as_config(arguments: Sequence[str]) -> object:
    return OmegaConf.from_dotlist(list(arguments))


def _arguments(request: TableRequest, cell: Cell) -> Iterator[str]:
    """key=value for all that makes this cell's run differ from the configuration, but for its length."""
    yield f"seed={cell.seed}"
    yield f"system.prompt_processor.prompt={cell.prompt}"
    for key, value in settings_of(cell.variant, request.models).items():
        yield f"{key}={json.dumps(value) if isinstance(value, list | bool) else value}"
    yield from request.overrides


def _run(launch: Launch, request: TableRequest, cell: Cell, plan: StepPlan) -> Row:
    """One run and its measurements."""
    place = [f"exp_root_dir={request.folder}", "name=runs", f"tag={_tag(cell)}", "use_timestamp=false"]
    quiet = ["trainer.enable_progress_bar=false", f"trainer.max_steps={plan.steps}", *ONLY_THE_CLOUD]
    if launch(["--config", request.config, "--train", *place, *quiet, *_arguments(request, cell)]) != 0:
        raise RuntimeError(f"the run of {cell.key} failed; the results so far are in {request.folder}")
    manifest = json.loads((_trial(request, cell) / "save" / "manifest.json").read_text())
    report = evaluate(read_ply(cloud_path(request, cell)), cell.prompt)
    return {
        "variant": cell.variant.label,
        "prompt": cell.prompt,
        "seed": cell.seed,
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


def _fingerprint(request: TableRequest, cell: Cell, hashes: Mapping[str, str]) -> str:
    """Of all that decides a row, so that an old row is not taken for a new one."""
    parts = [
        Path(request.config).read_text(),
        dict(cell.variant.settings),
        hashes[cell.variant.prior],
        request.evaluations,
        list(request.overrides),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _weights_hash(model: str) -> str:
    """Of the files of a prior, wherever they lie."""
    hashes = locate_model(model, STABLE_DIFFUSION_PARTS).hashes()
    if not hashes:
        raise FileNotFoundError(
            f"the small prior {model} has no weights here; train it (`splatdream toybox train`) and give its folder as "
            "--sd or --mvdream"
        )
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
