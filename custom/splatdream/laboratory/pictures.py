"""What a finished run looks like from all round."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..assets.finished import FinishedAsset
from ..cameras.evaluation import contact_sheet_cameras
from ..runner.results import RunResult

NUM_AZIMUTHS = 8
_ELEVATION_DEG = 15.0


def looks_round(asset: FinishedAsset, result: RunResult, size: int) -> Float[Tensor, "C size size 3"]:
    """Azimuths from the front, on white, by the cameras of the run's own evaluation."""
    data = result.read_manifest()["evaluation_cameras"]
    cameras = contact_sheet_cameras((_ELEVATION_DEG,), NUM_AZIMUTHS, data["distance"], data["fovy_deg"], size)
    return asset.render(cameras, torch.ones(len(cameras), 3))[0].clamp(0, 1)


def strip(asset: FinishedAsset, result: RunResult, size: int = 80) -> Float[Tensor, "size W 3"]:
    """The same side by side."""
    return torch.cat(list(looks_round(asset, result, size)), dim=1)
