"""A scene from its plan: what is missing is distilled, all of it is composed, and refined together if that is asked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..gaussians.cloud import GaussianCloud
from ..gaussians.composition import cat
from ..gaussians.ply import read_ply, write_ply
from ..runner.checking import check_request
from ..runner.execution import Executor, Runs, finished_run
from ..runner.request import RunRequest
from ..runner.results import RunResult
from ..storage.atomic_file import write_text
from .collisions import Collision, collisions
from .editing import edited
from .plan import SceneObject, ScenePlan, starting_from
from .sources import read_source


@dataclass(frozen=True)
class MadeScene:
    placed: Mapping[str, GaussianCloud]
    """By name, where they stand."""
    cloud: Path
    """All of them in one PLY."""
    volumes: Mapping[str, float | None]
    """That each occupies, world units cubed; None of an object too faint to have a surface."""
    collisions: list[Collision]
    together: RunResult | None


def check_scene(plan: ScenePlan) -> None:
    """Everything that can be told before a run: configurations, prompts, models, files and their edits.

    Raises:
        FileNotFoundError, ValueError: one sentence that says what.
    """
    for thing in plan.objects:
        if thing.request is not None:
            _check_named(thing.name, thing.request)
    if plan.together is not None:
        _check_named("together", plan.together)
    known = {thing.name: thing for thing in plan.objects}
    read = [thing for thing in plan.objects if _is_read(thing, known)]
    for thing, shape in zip(read, _shapes(read, {}).values(), strict=True):
        thing.placement.placed(shape)


def make_scene(plan: ScenePlan, folder: Path, execute: Executor) -> MadeScene:
    """The scene in a folder: objects/ with a run for each prompt, scene.ply, scene.json, and together/ where asked.

    Runs that are finished are not made again, nor is one for two objects that ask for the same.

    Raises:
        ValueError: an edit finds nothing, or a placement is beyond what numbers hold.
        RuntimeError: a run failed; what the others made is kept.
    """
    runs = Runs(folder / "objects", execute)
    made = {thing.name: runs.run(thing.request) for thing in plan.objects if thing.request is not None}
    shapes = _shapes(plan.objects, {name: result.file("cloud") for name, result in made.items()})
    placed = {thing.name: thing.placement.placed(shapes[thing.name]) for thing in plan.objects}
    cloud = write_ply(folder / "scene.ply", cat(list(placed.values())))
    volumes, found = collisions(placed)
    record = {
        name: {"gaussians": len(placed[name]), "volume": volumes[name]}
        | ({"run": str(made[name].folder.relative_to(folder))} if name in made else {})
        for name in placed
    }
    content = {"objects": record, "collisions": [asdict(pair) for pair in found]}
    write_text(folder / "scene.json", json.dumps(content, indent=1))
    together = None
    if plan.together is not None:
        together = finished_run(starting_from(plan.together, cloud), folder / "together" / "run", execute)
    return MadeScene(placed, cloud, volumes, found, together)


def _check_named(name: str, request: RunRequest) -> None:
    try:
        check_request(request)
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{name}: {error}") from error


def _is_read(thing: SceneObject, known: Mapping[str, SceneObject]) -> bool:
    """Whether it, or what it is a copy of, comes from a file."""
    return thing.source is not None or (thing.copy_of is not None and _is_read(known[thing.copy_of], known))


def _shapes(things: list[SceneObject], distilled: Mapping[str, Path]) -> dict[str, GaussianCloud]:
    """Every object after its edits, before it is placed."""
    shapes: dict[str, GaussianCloud] = {}
    for thing in things:
        if thing.copy_of is not None:
            cloud = shapes[thing.copy_of]
        else:
            cloud = read_source(thing.source) if thing.source is not None else read_ply(distilled[thing.name])
        shapes[thing.name] = edited(cloud, thing.edits, thing.name)
    return shapes
