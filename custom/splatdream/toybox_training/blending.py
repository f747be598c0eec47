"""A prior between two: weights on the straight line from a prior to what a training that began with it made of it.

What the training taught comes in any dose, without a training for each (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models", section 3).
"""

import shutil
from pathlib import Path

import torch
from torch import Tensor

from .networks import placed_whole


def blend(start: Path, end: Path, share: float, output: Path) -> Path:
    """A pipeline folder with the files of `start` and weights (1 - share) start + share end, in the types of `start`.

    Raises:
        ValueError: the output is there, a folder has no weights, or their weights have other names or shapes.
    """
    from safetensors.torch import save_file

    if output.exists():
        raise ValueError(f"{output} is there; name another folder")
    names = sorted(path.relative_to(start) for path in start.glob("*/*.safetensors"))
    if not names:
        raise ValueError(f"{start} holds no weights; name the folder of a pipeline")
    mixed = {name: _mixed(start / name, end / name, share) for name in names}
    with placed_whole(output) as fresh:
        shutil.copytree(start, fresh)
        for name, tensors in mixed.items():
            save_file(tensors, fresh / name, metadata={"format": "pt"})
    return output


def _mixed(start: Path, end: Path, share: float) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    if not end.is_file():
        raise ValueError(f"there is no {end}; both folders must hold the same kind of pipeline")
    ours, theirs = load_file(start), load_file(end)
    if {key: value.shape for key, value in ours.items()} != {key: value.shape for key, value in theirs.items()}:
        raise ValueError(f"{end} holds other tensors than {start}; name what was trained from it")
    return {key: torch.lerp(value.float(), theirs[key].float(), share).to(value) for key, value in ours.items()}
