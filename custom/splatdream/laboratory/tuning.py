"""The same number of trials for every variant, judged on prompts that are kept apart from the test."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

from ..priors.content import json_sha256
from ..storage.atomic_file import write_text
from .cells import Cell, Study, planned_cells, request_of
from .claims import claim
from .findings import means_by_prompt, rows_of
from .plan import Plan, Variant
from .records import standing
from .search import PENDING, Trial, next_parameters, startup
from .tuned_settings import configured_parameters, edge_of, tuned_settings
from .tuning_plan import Tuning

_TUNING_FILE = "tuning.json"
_TRIALS_FILE = "trials.json"
_COUNTS_FILE = "steps.json"
_ROUNDS = 8
"""Of a tuning after its random half; a round's trials are made side by side."""


def tuning_of(plan: Plan) -> Tuning:
    """Raises ValueError where the plan has none."""
    if plan.tuning is None:
        raise ValueError(f"'{plan.name}' says nothing of tuning; give its file a key tune (docs/laboratory.md)")
    return plan.tuning


def tuning_name(plan: Plan) -> str:
    """Of the study of trials, so that its folder is not taken for that of the test."""
    return f"{plan.name}, tuning"


def untuned_study(plan: Plan) -> Study:
    """What a trial of every variant as it is configured would run; to be timed."""
    tuning = tuning_of(plan)
    grid = replace(plan, prompts=tuning.prompts, seeds=tuning.seeds, budgets=[tuning.budget], tuning=None)
    return _study_of(plan, planned_cells(grid))


def tune(plan: Plan, folder: Path, make: Callable[[Study], None]) -> dict[str, object]:
    """Makes all trials that are missing, and returns and writes what was found.

    Args:
        make: makes the runs of a study in the folder.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
        ValueError: every trial of a variant failed, or another process is at it.
    """
    with claim(folder / "claims" / "tuning") as is_mine:
        if not is_mine:
            raise ValueError(f"another process tunes in {folder}; wait for it, or choose another --output")
        return _tune(plan, folder, make)


def _tune(plan: Plan, folder: Path, make: Callable[[Study], None]) -> dict[str, object]:
    tuning, path = tuning_of(plan), folder / _TRIALS_FILE
    kept = json.loads(path.read_text()) if path.is_file() else {}
    digests = {variant.label: _configuration_digest(variant) for variant in plan.variants}
    names = {label: _search_name(label, digest, tuning) for label, digest in digests.items()}
    trials = {label: [Trial(**trial) for trial in kept.get(name, [])] for label, name in names.items()}

    def keep() -> None:
        found = {names[label]: [asdict(trial) for trial in own] for label, own in trials.items()}
        write_text(path, json.dumps(kept | found, indent=1))
        _write_document(plan, trials, digests, folder)

    while _ask(plan, trials):
        # Before they are run: who is killed finds them again.
        keep()
        waiting = [number for own in trials.values() for number in _pending(own)]
        print(f"trials {min(waiting) + 1} to {max(waiting) + 1} of {tuning.trials}", flush=True)
        _make_round(plan, trials, folder, make)
        keep()
    return _write_document(plan, trials, digests, folder)


def _ask(plan: Plan, trials: Mapping[str, list[Trial]]) -> bool:
    """The next round of every variant, unless it has one that has not ended; whether there is anything to make."""
    tuning = tuning_of(plan)
    for variant in plan.variants:
        ranges, own = tuning.ranges[variant.label], trials[variant.label]
        if _pending(own):
            continue
        size = startup(tuning.trials) if not own else max(1, tuning.trials // (2 * _ROUNDS))
        for number in range(len(own), min(len(own) + size, tuning.trials)):
            first = configured_parameters(variant.stages[0], ranges) if number == 0 else None
            asked = first or next_parameters(ranges, own, tuning.trials, tuning.is_minimized, tuning.seed)
            own.append(Trial(asked))
    return any(map(_pending, trials.values()))


def read_tuning(folder: Path) -> dict[str, object] | None:
    """What `tune` has written there so far; None where it has written nothing."""
    path = folder / _TUNING_FILE
    return json.loads(path.read_text()) if path.is_file() else None


def tuned_plan(plan: Plan, folder: Path) -> tuple[Plan, dict[str, object]]:
    """The plan with the settings that its tuning has chosen, and that tuning.

    Raises:
        FileNotFoundError: nothing was tuned in the folder.
        ValueError: it is the tuning of another plan, or has not ended, or was judged on what is the test now.
    """
    document = read_tuning(folder)
    if document is None:
        raise FileNotFoundError(
            f"{folder} holds no tuning; begin one with `splatdream lab tune FILE --output {folder}`"
        )
    if document["name"] != plan.name:
        raise ValueError(f"{folder} holds the tuning of '{document['name']}', not of '{plan.name}'")
    if shared := set(document["prompts"]) & {str(prompt) for prompt in plan.prompts}:
        raise ValueError(f"{folder} was tuned on '{sorted(shared)[0]}', which is in prompts; leave it out of one")
    variants = [_tuned(variant, document["variants"].get(variant.label), folder) for variant in plan.variants]
    return replace(plan, variants=variants), document


def _tuned(variant: Variant, found: Mapping[str, object] | None, folder: Path) -> Variant:
    if found is None:
        raise ValueError(f"{folder} has no variant '{variant.label}'; tune again")
    if found["configuration"] != _configuration_digest(variant):
        raise ValueError(f"variant '{variant.label}' was tuned as something else; tune again, into another folder")
    if found["chosen"] is None:
        raise ValueError(f"the tuning of variant '{variant.label}' in {folder} has not ended; call `lab tune` again")
    return _changed(variant, found["chosen"]["settings"], variant.label)


def _changed(variant: Variant, settings: Mapping[str, object], label: str) -> Variant:
    first, *then = variant.stages
    return Variant(label, (replace(first, settings={**first.settings, **settings}), *then))


def _search_name(label: str, digest: str, tuning: Tuning) -> str:
    """Of a variant's trials in the file; another one where something else is searched for."""
    decides = replace(tuning, ranges={label: tuning.ranges[label]}, trials=0)
    return f"{label} {json_sha256([digest, asdict(decides)])[:12]}"


def _configuration_digest(variant: Variant) -> str:
    return json_sha256([request_of(stage, None, None, variant.label).configuration() for stage in variant.stages])


def _pending(trials: Sequence[Trial]) -> list[int]:
    return [number for number, trial in enumerate(trials) if trial.state == PENDING]


def _make_round(plan: Plan, trials: Mapping[str, list[Trial]], folder: Path, make: Callable[[Study], None]) -> None:
    cells = _trial_cells(plan, trials, folder / _COUNTS_FILE)
    study = _study_of(plan, cells)
    study.write(folder)
    make(study)
    now = standing(folder, study)
    for label, own in trials.items():
        for number in _pending(own):
            parts = [cell for cell in cells if cell.variant == _trial_label(label, number)]
            is_whole = all(cell.key in now.finished for cell in parts)
            rows = rows_of(replace(study, cells=parts), now) if is_whole else []
            means = means_by_prompt(rows, tuning_of(plan).objective).values()
            own[number] = own[number].told(fmean(means) if means else None)


def _study_of(plan: Plan, cells: Sequence[Cell]) -> Study:
    # Trials that ask for the same run share it.
    once = {cell.key: cell for cell in cells}
    return Study(tuning_name(plan), list(plan.measures), list(once.values()), {cell.variant: {} for cell in cells})


def _trial_cells(plan: Plan, trials: Mapping[str, Sequence[Trial]], counts: Path | None) -> list[Cell]:
    tuning = tuning_of(plan)
    variants = [
        _changed(
            variant,
            tuned_settings(variant.stages[0], tuning.ranges[variant.label], trials[variant.label][number].parameters),
            _trial_label(variant.label, number),
        )
        for variant in plan.variants
        for number in _pending(trials[variant.label])
    ]
    grid = replace(
        plan, variants=variants, prompts=tuning.prompts, seeds=tuning.seeds, budgets=[tuning.budget], tuning=None
    )
    return planned_cells(grid, counts)


def _trial_label(label: str, number: int) -> str:
    return f"{label} trial {number + 1}"


def _write_document(
    plan: Plan, trials: Mapping[str, Sequence[Trial]], digests: Mapping[str, str], folder: Path
) -> dict[str, object]:
    tuning = tuning_of(plan)
    document = {
        "name": plan.name,
        "objective": tuning.objective,
        "goal": "less is better" if tuning.is_minimized else "more is better",
        "trials": tuning.trials,
        "prompts": list(tuning.prompts),
        "seeds": list(tuning.seeds),
        "budget": str(tuning.budget or ""),
        "variants": {
            variant.label: {"configuration": digests[variant.label], **_found(variant, tuning, trials[variant.label])}
            for variant in plan.variants
        },
    }
    write_text(folder / _TUNING_FILE, json.dumps(document, indent=1))
    return document


def _found(variant: Variant, tuning: Tuning, trials: Sequence[Trial]) -> dict[str, object]:
    ranges = tuning.ranges[variant.label]
    grid = [
        {"trial": number + 1, "parameters": trial.parameters, "value": trial.value}
        for number, trial in enumerate(trials)
        if trial.state != PENDING
    ]
    return {
        "ranges": {item.name: str(item) for item in ranges},
        "chosen": _chosen(variant, tuning, grid) if len(grid) >= tuning.trials else None,
        "grid": grid,
    }


def _chosen(variant: Variant, tuning: Tuning, grid: Sequence[Mapping]) -> dict[str, object]:
    ranges = tuning.ranges[variant.label]
    valued = [entry for entry in grid if entry["value"] is not None]
    if not valued:
        raise ValueError(f"all {len(grid)} trials of variant '{variant.label}' failed; `lab status` says why")
    best = (min if tuning.is_minimized else max)(valued, key=lambda entry: entry["value"])
    edges = {item.name: edge for item in ranges if (edge := edge_of(item, best["parameters"][item.name]))}
    return {**best, "settings": tuned_settings(variant.stages[0], ranges, best["parameters"]), "edges": edges}
