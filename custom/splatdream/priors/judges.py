"""A prior by its name alone, for judging: told apart by what the folder says, a hub id by its name."""

import json
from collections.abc import Callable
from pathlib import Path

from .base import DiffusionPrior
from .flux import load_flux
from .model_ids import packaged_folder
from .mvdream import load_mvdream
from .stable_diffusion import load_stable_diffusion
from .stable_diffusion_3 import load_stable_diffusion_3

JUDGES = ("toybox-sd", "toybox-mvdream")
"""Of the packaged priors those that judge where none is named; thresholds are fixed for them (docs/evaluation.md)."""


def load_judge(name: str) -> DiffusionPrior:
    """The prior of a folder, a short name or a hub id.

    What takes cameras, or is called mvdream, is MVDream; what has a transformer, or is called flux or sd3, is a flow.

    Raises:
        FileNotFoundError: no copy was found; the message says what to do.
        ValueError: `name` cannot be the name of a model, or it is a network of another kind.
    """
    folder = packaged_folder(name) or Path(name).expanduser()
    if folder.is_dir():
        return _loader_of(folder)(name)
    for part, load in _LOADER_BY_NAME.items():
        if part in name.lower():
            return load(name)
    return load_stable_diffusion(name)


_LOADER_BY_NAME: dict[str, Callable[[str], DiffusionPrior]] = {
    "mvdream": load_mvdream,
    "flux": load_flux,
    "sd3": load_stable_diffusion_3,
    "stable-diffusion-3": load_stable_diffusion_3,
}


def _loader_of(folder: Path) -> Callable[[str], DiffusionPrior]:
    transformer, unet = (_config(folder / part / "config.json") for part in ("transformer", "unet"))
    if transformer:
        return load_flux if transformer.get("_class_name") == "FluxTransformer2DModel" else load_stable_diffusion_3
    takes_cameras = unet.get("class_embed_type") == "projection" or unet.get("_class_name") != "UNet2DConditionModel"
    return load_mvdream if unet and takes_cameras else load_stable_diffusion


def _config(path: Path) -> dict[str, object]:
    return json.loads(path.read_text()) if path.is_file() else {}
