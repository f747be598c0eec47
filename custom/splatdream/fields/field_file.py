"""A field in a file: safetensors, the options among its metadata."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..storage.atomic_file import atomic_path
from .radiance_field import FieldOptions
from .volume import Volume

FIELD_SUFFIX = ".safetensors"
_KIND = "splatdream field, version 1"


def write_field(path: str | Path, volume: Volume) -> None:
    """The weights, and everything that they need to be a field again.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in volume.state_dict().items()}
    settings = {
        "options": volume.field.options.as_dict(),
        "occupancy_resolution": volume.occupancy_resolution,
        "step_size": volume.step_size,
        "active_levels": volume.field.encoding.active_levels,
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {"kind": _KIND, "settings": json.dumps(settings)})


def read_field(path: str | Path) -> Volume:
    """What `write_field` wrote, ready to be looked at.

    Raises:
        ValueError: the file is broken, or holds something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read ({error}); it may be cut short, export it again") from error
    if metadata.get("kind") != _KIND:
        raise ValueError(f"{path} holds no field; such a file is what splatdream-field-exporter writes")
    settings = json.loads(metadata["settings"])
    volume = Volume(FieldOptions(**settings["options"]), settings["occupancy_resolution"], settings["step_size"])
    volume.load_state_dict(tensors)
    volume.field.encoding.active_levels = settings["active_levels"]
    return volume.eval().requires_grad_(False)
