"""What a scene's file asks for: objects, each distilled from its own prompt, read or copied; edited and placed; and a
run that goes on with all of them together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import ImageColor

from ..laboratory.cells import request_of
from ..laboratory.plan import Stage
from ..laboratory.reading import check_keys, check_known, file_content, is_number, listed, mapping
from ..runner.request import RunRequest, setting
from ..startup.shipped import find_config
from .editing import ACTIONS, Edit, Selection
from .placement import Placement
from .sources import TOYBOX

_ORIGINS = ("prompt", "file", "copy_of")
_RUN_KEYS = ("config", "settings", "seed")
_PLACEMENT_KEYS = ("scale", "rotate_deg", "move")
_KEYS = (*_RUN_KEYS, "objects", "together")
_OBJECT_KEYS = (*_ORIGINS, *_RUN_KEYS, "edits", *_PLACEMENT_KEYS)
_TOGETHER_KEYS = ("prompt", *_RUN_KEYS)
_EDIT_KEYS = ("select", *ACTIONS)
_SELECT_KEYS = ("box", "color", "tolerance", "opacity")
_INITIALIZATION = "system.geometry.initialization"


@dataclass(frozen=True)
class SceneObject:
    """Exactly one of the first three is there."""

    name: str
    request: RunRequest | None
    """The run that distills it."""
    source: str | None
    """A file, the folder of a run, or toybox:CAPTION."""
    copy_of: str | None
    """The name of an object before it, which is taken as it is after its edits, before it is placed."""
    edits: tuple[Edit, ...]
    placement: Placement


@dataclass(frozen=True)
class ScenePlan:
    objects: Sequence[SceneObject]
    together: RunRequest | None
    """The run that goes on with the scene; where it begins is still to be said (`starting_from`)."""


def starting_from(request: RunRequest, cloud: Path) -> RunRequest:
    """The run of the whole scene, from its cloud."""
    return replace(request, overrides=[*request.overrides, setting(_INITIALIZATION, str(cloud))])


def read_scene(path: str | Path) -> ScenePlan:
    """The scene in a YAML.

    Raises:
        FileNotFoundError: there is no such file, or no configuration of a name that it gives.
        ValueError: something in it cannot be read; one sentence says what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no scene '{path}'")
    document = mapping(file_content(path), f"'{path}'")
    check_keys(document, _KEYS, f"'{path}'")
    shared = {key: document[key] for key in _RUN_KEYS if key in document}
    given = mapping(document.get("objects") or {}, "objects")
    if not given:
        raise ValueError(f"'{path}' has no objects; give one, e.g. objects: {{cat: {{prompt: an orange cat}}}}")
    objects: dict[str, SceneObject] = {}
    for name, content in given.items():
        objects[str(name)] = _object(_new_name(name, objects), content, shared, objects, path)
    together = document.get("together")
    return ScenePlan(list(objects.values()), None if together is None else _together(together, shared, path))


def _new_name(name: object, objects: Mapping[str, SceneObject]) -> str:
    alike = [other for other in objects if other.casefold() == str(name).casefold()]
    if alike:
        raise ValueError(f"two objects are alike in name, '{alike[0]}' and '{name}'; call one of them otherwise")
    return str(name)


def _object(
    name: str, content: object, shared: Mapping[str, object], before: Mapping[str, SceneObject], path: Path
) -> SceneObject:
    place = f"object '{name}'"
    given = mapping(content, place)
    check_keys(given, _OBJECT_KEYS, place)
    origin = _origin(given, place)
    if origin == "copy_of":
        _check_copied(str(given["copy_of"]), before, place)
    return SceneObject(
        name,
        _request(given, shared, name, place, path) if origin == "prompt" else None,
        _source(str(given["file"]), path) if origin == "file" else None,
        str(given["copy_of"]) if origin == "copy_of" else None,
        tuple(_edit(edit, f"an edit of {place}") for edit in listed(given.get("edits", []), f"edits of {place}")),
        _placement(given, place),
    )


def _origin(given: Mapping, place: str) -> str:
    """The one of `_ORIGINS` that an object has."""
    found = [key for key in _ORIGINS if given.get(key) is not None]
    if len(found) != 1:
        said = f"has {' and '.join(found)}" if found else "has no origin"
        raise ValueError(f"{place} {said}; give exactly one of {', '.join(_ORIGINS)}")
    idle = [key for key in _RUN_KEYS if key in given]
    if idle and found != ["prompt"]:
        raise ValueError(f"{place} has {idle[0]}, which only objects with a prompt read; leave it out")
    return found[0]


def _check_copied(name: str, before: Mapping[str, SceneObject], place: str) -> None:
    if not before:
        raise ValueError(f"{place} is a copy of '{name}', but stands first; a copy comes after what it copies")
    check_known("object", name, before, f"copy_of of {place}, which may name what comes before it")


def _request(given: Mapping, shared: Mapping[str, object], label: str, place: str, path: Path) -> RunRequest:
    prompt = given["prompt"]
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(f"the prompt of {place} is {prompt!r}; say what it is, e.g. 'an orange cat'")
    config = str(given.get("config", shared.get("config", "quickstart")))
    beside = path.parent / config
    settings = {**_settings(shared, "the file"), **_settings(given, place)}
    seed = given.get("seed", shared.get("seed", 0))
    if type(seed) is not int or seed < 0:
        raise ValueError(f"the seed of {place} is {seed!r}, but must be a whole number of at least 0")
    stage = Stage(find_config(beside if beside.is_file() else config), settings)
    return replace(request_of(stage, prompt, seed, label), label=label)


def _settings(given: Mapping[str, object], place: str) -> Mapping[str, object]:
    return mapping(given.get("settings") or {}, f"settings of {place}")


def _together(content: object, shared: Mapping[str, object], path: Path) -> RunRequest:
    given = mapping(content, "together")
    check_keys(given, _TOGETHER_KEYS, "together")
    if "prompt" not in given:
        raise ValueError("together has no prompt; say what the whole scene shows")
    if _INITIALIZATION in _settings(given, "together"):
        raise ValueError(f"together sets {_INITIALIZATION}, which is the composed scene; leave it out")
    return _request(given, shared, "together", "together", path)


def _source(text: str, path: Path) -> str:
    """A file is looked for beside the scene's file first."""
    beside = path.parent / text
    return str(beside) if not text.startswith(TOYBOX) and beside.exists() else text


def _placement(given: Mapping[str, object], place: str) -> Placement:
    scale, turn = given.get("scale", 1.0), given.get("rotate_deg", 0.0)
    if not is_number(scale) or not 0 < scale < math.inf:
        raise ValueError(f"the scale of {place} is {scale!r}, but must be a number above 0")
    # One number is a turn about the vertical axis.
    rotation = _numbers([0.0, 0.0, turn] if is_number(turn) else turn, 3, f"rotate_deg of {place}")
    return Placement(float(scale), rotation, _numbers(given.get("move", [0, 0, 0]), 3, f"move of {place}"))


def _edit(content: object, place: str) -> Edit:
    given = mapping(content, place)
    check_keys(given, _EDIT_KEYS, place)
    actions = [action for action in ACTIONS if given.get(action) is not None]
    if len(actions) != 1:
        raise ValueError(f"{place} does {' and '.join(actions) or 'nothing'}; give exactly one of {', '.join(ACTIONS)}")
    action = actions[0]
    if action == "recolor":
        return Edit(action, _selection(given.get("select"), place), _color(given[action], place))
    if given[action] is not True:
        raise ValueError(f"{action} of {place} is {given[action]!r}; write {action}: true")
    if "select" not in given:
        raise ValueError(f"{place} has {action} without select, which would be all or nothing; say which Gaussians")
    return Edit(action, _selection(given["select"], place))


def _selection(content: object, place: str) -> Selection:
    if content is None:
        return Selection()
    place = f"select in {place}"
    given = mapping(content, place)
    check_keys(given, _SELECT_KEYS, place)
    if not set(given) & {"box", "color", "opacity"}:
        raise ValueError(f"{place} asks for nothing; give box, color or opacity")
    if "tolerance" in given and "color" not in given:
        raise ValueError(f"{place} has a tolerance without a color; give both")
    tolerance = given.get("tolerance", Selection.tolerance)
    if not is_number(tolerance) or not 0 < tolerance < math.inf:
        raise ValueError(f"the tolerance of {place} is {tolerance!r}, but must be a number above 0")
    return Selection(
        _box(given["box"], place) if "box" in given else None,
        _color(given["color"], place) if "color" in given else None,
        float(tolerance),
        _opacity(given["opacity"], place) if "opacity" in given else None,
    )


def _box(value: object, place: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    corners = listed(value, f"box of {place}")
    if len(corners) != 2:
        raise ValueError(f"box of {place} has {len(corners)} corners; give lowest and highest, [[x,y,z],[x,y,z]]")
    low, high = (_numbers(corner, 3, f"a corner of the box of {place}") for corner in corners)
    if not all(start < end for start, end in zip(low, high, strict=True)):
        raise ValueError(f"the box {value} of {place} has no volume; its first corner must be below its second")
    return low, high


def _opacity(value: object, place: str) -> tuple[float, float]:
    low, high = _numbers(value, 2, f"opacity of {place}")
    if not 0 <= low < high <= 1:
        raise ValueError(f"opacity of {place} is {value}, but must be [lowest, highest] within 0 and 1")
    return low, high


def _color(value: object, place: str) -> tuple[float, ...]:
    if not isinstance(value, str):
        numbers = _numbers(value, 3, f"the color of {place}")
        if not all(0 <= number <= 1 for number in numbers):
            raise ValueError(f"the color {value} of {place} must have red, green and blue between 0 and 1")
        return numbers
    try:
        return tuple(part / 255 for part in ImageColor.getrgb(value)[:3])
    except ValueError as error:
        raise ValueError(f"'{value}' of {place} is no color; write a CSS name, '#rrggbb' or [r, g, b]") from error


def _numbers(value: object, count: int, place: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count or not all(map(is_number, value)):
        raise ValueError(f"{place} is {value!r}, but must be {count} numbers in a list")
    if not all(map(math.isfinite, value)):
        raise ValueError(f"{place} is {value}, but NaN and infinite numbers are no place; give finite ones")
    return tuple(map(float, value))
