"""A prior by its name alone, for judging: Stable Diffusion or MVDream, told apart by what the folder says."""

import json
from pathlib import Path

from .base import DiffusionPrior
from .model_ids import packaged_folder
from .mvdream import load_mvdream
from .stable_diffusion import load_stable_diffusion


def load_judge(name: str) -> DiffusionPrior:
    """The prior of a folder, a short name or a hub id; what takes cameras, or is called mvdream, is MVDream.

    Raises:
        FileNotFoundError: no copy was found; the message says what to do.
        ValueError: `name` cannot be the name of a model, or it is a network of another kind.
    """
    return load_mvdream(name) if _takes_cameras(name) else load_stable_diffusion(name)


def _takes_cameras(name: str) -> bool:
    config = (packaged_folder(name) or Path(name).expanduser()) / "unet" / "config.json"
    if not config.is_file():
        return "mvdream" in name.lower()
    values = json.loads(config.read_text())
    return values.get("class_embed_type") == "projection" or values.get("_class_name") != "UNet2DConditionModel"
