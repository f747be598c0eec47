"""What runs left in their folders: facts for a gallery, and what was trained at every saved step.

Any run in the folder counts, whoever began it.
"""

import json
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import yaml

from ..assets.base import Asset
from ..gaussians.cloud import GaussianCloud
from ..gaussians.smoothing_filter import filtered
from ..host import load_module_weights
from ..runner.results import newest_files
from ..startup.registration import registered_classes

_CONFIGURATION = "configs/parsed.yaml"
_DEEPEST = 3
"""Levels of folders below the studio's that are looked through."""
_BEGINNINGS = ("source", "weights")
_NAMES = tuple(field.name for field in fields(GaussianCloud))


@dataclass(frozen=True)
class SavedRun:
    folder: Path
    prompt: str
    method: str
    prior: str
    max_steps: int
    has_finished: bool
    """Whether everything that a run makes is there."""
    steps: tuple[int, ...]
    """That have a checkpoint."""
    sheet: Path | None
    """A picture of it from all sides."""

    @property
    def name(self) -> str:
        return self.folder.name


def saved_runs(folder: Path) -> list[SavedRun]:
    """Those below a folder, the newest first; what cannot be read is left out."""
    patterns = ["/".join(["*"] * depth + [_CONFIGURATION]) for depth in range(1, _DEEPEST + 1)]
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [run for path in found if (run := saved_run(path.parents[1])) is not None]


def saved_run(folder: Path) -> SavedRun | None:
    """The run in a folder; None where there is none, or it has not written its configuration yet."""
    try:
        configuration = yaml.safe_load((folder / _CONFIGURATION).read_text())
        system = configuration["system"]
        guidance = system.get("guidance") or {}
        prior = guidance.get("prior") or {}
        files = newest_files(folder)
        return SavedRun(
            folder=folder,
            prompt=str((system.get("prompt_processor") or {}).get("prompt", "")),
            method=str(guidance.get("method") or system.get("guidance_type", "")),
            prior=str(prior.get("model") or guidance.get("prior_type", "")),
            max_steps=int(configuration["trainer"].get("max_steps", 0)),
            # The page is the last that a run writes.
            has_finished=_status(folder) == "finished" and "page" in files,
            steps=tuple(checkpoints(folder)),
            sheet=folder / files["contact sheet"] if "contact sheet" in files else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return None


def checkpoints(folder: Path) -> dict[int, Path]:
    """Paths by step, in order."""
    found = {path: re.search(r"step=(\d+)", path.name) for path in (folder / "ckpts").glob("*.ckpt")}
    return dict(sorted((int(step[1]), path) for path, step in found.items() if step))


def last_checkpoint(folder: Path) -> Path | None:
    """What a run goes on from."""
    path = folder / "ckpts" / "last.ckpt"
    return path if path.is_file() else None


def cloud_at(folder: Path, step: int) -> GaussianCloud | None:
    """The Gaussians of a saved step, as training saw them; None where the run trains something else.

    Raises:
        FileNotFoundError: that step is not saved.
        ValueError: its checkpoint is damaged.
    """
    path = _checkpoint(folder, step)
    return _cloud_in(path, path.stat().st_mtime_ns)


def asset_at(folder: Path, step: int) -> Asset | None:
    """Whatever the run trains, at a saved step; None where it is no asset of ours.

    Raises:
        FileNotFoundError, ValueError: as `cloud_at`.
    """
    path = _checkpoint(folder, step)
    return _asset_in(path, path.stat().st_mtime_ns)


def _checkpoint(folder: Path, step: int) -> Path:
    path = checkpoints(folder).get(step)
    if path is None:
        raise FileNotFoundError(f"{folder.name} has no checkpoint of step {step}; take one that the slider names")
    return path


@lru_cache(maxsize=16)
def _cloud_in(path: Path, _changed_ns: int) -> GaussianCloud | None:
    state, _, _ = load_module_weights(str(path), module_name="geometry")
    # Of several clouds, the first.
    tensors = {name.removeprefix("particles.0."): tensor for name, tensor in state.items()}
    if not all(name in tensors for name in _NAMES):
        return None
    cloud = GaussianCloud(**{name: tensors[name] for name in _NAMES})
    scale = tensors["filter_scale"]
    return filtered(cloud, scale.expand(len(cloud))) if scale > 0 else cloud


@lru_cache(maxsize=4)
def _asset_in(path: Path, _changed_ns: int) -> Asset | None:
    system = yaml.safe_load((path.parents[1] / _CONFIGURATION).read_text())["system"]
    kind = registered_classes().get(system["geometry_type"])
    if kind is None:
        return None
    # What it began with is not read again: all of it is in the checkpoint.
    settings = {name: value for name, value in (system.get("geometry") or {}).items() if name not in _BEGINNINGS}
    state, epoch, step = load_module_weights(str(path), module_name="geometry")
    asset = kind(settings)
    asset.load_state_dict(state)
    asset.update_step(epoch, step)
    return asset


def _status(folder: Path) -> str:
    manifest = folder / "save" / "manifest.json"
    return str(json.loads(manifest.read_text()).get("status")) if manifest.is_file() else ""
