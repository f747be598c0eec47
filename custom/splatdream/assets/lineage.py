"""Which run a file comes from, and what of that run's training matters to whoever reads the file."""

from pathlib import Path

from omegaconf import OmegaConf

from ..cameras.pixel_size import training_pixel_size
from ..host import find

# From TRIAL/ckpts/last.ckpt and TRIAL/save/it600-export/cloud.ply up to TRIAL.
_MAX_DEPTH = 3


def source_pixel(path: str | Path) -> float:
    """World units per pixel in the training of the Gaussians that a checkpoint or a PLY in a run's folder holds.

    0 where there is no run round the file, and for files that have the blur of training in them already.
    """
    path = Path(path).resolve()
    configs = [folder / "configs" / "parsed.yaml" for folder in path.parents[:_MAX_DEPTH]]
    parsed = next((config for config in configs if config.is_file()), None)
    if parsed is None:
        return 0.0
    config = OmegaConf.load(parsed)
    is_raw = path.name == "cloud.ply" and "ply" not in config.system.get("exporter", {}).get("blurred_formats", [])
    if path.suffix != ".ckpt" and not is_raw:
        return 0.0
    return training_pixel_size(find(config.data_type)(config.data).cfg)
