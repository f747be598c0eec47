"""What a checkpoint must hold before it is written, and must still hold when it is read."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LARGEST = 2.0**24
"""Beyond it float32 cannot tell neighboring whole numbers apart: no parameter belongs there, whatever its unit."""
_DOS_FOLDER = 0x10
_REQUIRED = ("state_dict", "epoch", "global_step")


def load_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """A checkpoint as a dict of tensors and plain values; nothing in the file is executed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, changed since it was written, or not a checkpoint; names the one to take instead.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint '{path}'")
    try:
        checkpoint = _read(path, map_location)
    except (PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError, ... for what is one mistake
        earlier = newest_checkpoint(path.parent, besides=path)
        remedy = f"the intact one before it is '{earlier}'" if earlier else "there is no intact one beside it"
        raise ValueError(f"checkpoint '{path}' is damaged, or is not a checkpoint; {remedy}") from error
    missing = [name for name in _REQUIRED if not isinstance(checkpoint, dict) or name not in checkpoint]
    if missing:
        raise ValueError(f"'{path}' is not a training checkpoint: it has no {', '.join(missing)}")
    return checkpoint


def _read(path: Path, map_location: Any) -> Any:
    if zipfile.is_zipfile(path) and not is_intact(path):
        raise ValueError("a part of it does not have its checksum")
    return torch.load(path, map_location=map_location, weights_only=True)


def is_intact(path: Path) -> bool:
    """Whether every part of a checkpoint has the checksum that torch wrote with it, which torch itself never reads."""
    try:
        with zipfile.ZipFile(path) as archive:
            # torch would not read what is marked as a folder, and leave its tensor uninitialized.
            has_folders = any(entry.external_attr & _DOS_FOLDER for entry in archive.infolist())
            return not has_folders and archive.testzip() is None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return False


def newest_checkpoint(folder: Path, besides: Path | None = None) -> Path | None:
    """The intact checkpoint of a folder that was written last."""
    found = sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    return next((path for path in found if path != besides and is_intact(path)), None)


def require_sound_numbers(checkpoint: Mapping[str, Any], folder: Path) -> None:
    """Does nothing when parameters and the optimizer's state are finite, and no parameter has run away.

    Raises:
        ValueError: they are not; names the first tensor, the step, and the last good checkpoint of `folder`.
    """
    parameters = checkpoint["state_dict"]
    defects = (_defect(name, tensor, LARGEST) for name, tensor in parameters.items())
    defects_of_state = (_defect(name, tensor, float("inf")) for name, tensor in _optimizer_state(checkpoint))
    defect = next(filter(None, defects), None) or next(filter(None, defects_of_state), None)
    if defect is None:
        return
    good = newest_checkpoint(folder)
    remedy = f"the last good checkpoint is '{good}'" if good else "there is no checkpoint before it"
    raise ValueError(
        f"step {checkpoint.get('global_step', 0)} is not saved: {defect}; {remedy}; "
        "lower the learning rates or the weights of the losses"
    )


def _defect(name: str, tensor: Tensor, largest: float) -> str | None:
    """What is wrong with a tensor, in words."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return None
    size = tensor.detach().abs().max()  # NaN if any is
    if size <= largest and torch.isfinite(size):
        return None
    if torch.isfinite(size):
        return f"{name} has run away, to {float(size):.3g}"
    return f"{name} has {int((~torch.isfinite(tensor)).sum())} values that are not finite"


def _optimizer_state(checkpoint: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for optimizer in checkpoint.get("optimizer_states", ()):
        groups = optimizer["param_groups"]
        names = {index: group.get("name", f"parameter {index}") for group in groups for index in group["params"]}
        for index, state in optimizer["state"].items():
            for key, value in state.items():
                if isinstance(value, Tensor):
                    yield f"the optimizer's {key} of {names[index]}", value
