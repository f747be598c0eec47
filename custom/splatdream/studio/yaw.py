"""The yaw map of a finished run, drawn, where the toybox knows the true object."""

import json
from pathlib import Path

import torch

from ..assets.finished import FinishedGaussians
from ..cameras.evaluation import contact_sheet_cameras
from ..export.plots import yaw_plot
from ..export.summary_page import Pictures, RunSummary
from ..gaussians.cloud import GaussianCloud
from ..systems.true_views import with_truth

_NUM_AZIMUTHS, _ELEVATION_DEG, _SIDE_PX = 16, 15.0, 64


def yaw_drawing(cloud: GaussianCloud, prompt: str, run: Path) -> str:
    """An SVG figure; empty where the prompt has words that the toybox does not know.

    Args:
        run: its folder; the views stand where its manifest says that it was evaluated.
    """
    seen_from = json.loads((run / "save" / "manifest.json").read_text())["evaluation_cameras"]
    cameras = contact_sheet_cameras(
        [_ELEVATION_DEG], _NUM_AZIMUTHS, seen_from["distance"], seen_from["fovy_deg"], _SIDE_PX
    )
    images, _ = FinishedGaussians(cloud).render(cameras, torch.ones(_NUM_AZIMUTHS, 3))
    pictures = Pictures(images.clamp(0, 1)[None], [""], [""] * _NUM_AZIMUTHS)
    yaw = with_truth(RunSummary(prompt, pictures), cameras).yaw
    return "" if yaw is None else yaw_plot(yaw)
