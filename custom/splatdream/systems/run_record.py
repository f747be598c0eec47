"""What a run leaves on disk besides checkpoints: pictures, a turntable, a page about it, the manifest."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..cameras.batch import CameraBatch
from ..cameras.evaluation import contact_sheet_cameras
from ..export.contact_sheet import contact_sheet
from ..export.summary_page import Pictures, RunSummary, summary_html
from ..export.video import write_mp4
from ..storage.atomic_file import write_text
from ..storage.images import write_png
from .run_history import with_history

NUM_AZIMUTHS = 8
"""Columns of a sheet."""
_COLUMNS = [f"{360 * i // NUM_AZIMUTHS}" for i in range(NUM_AZIMUTHS)]
Batch = Mapping[str, Any]


class RunRecord:
    """Part of a system.

    Args:
        save_path: the path of a file in the save folder, by its name.
        render_view: a threestudio batch of one view to its image [H, W, 3] in [0, 1].
    """

    def __init__(self, save_path: Callable[[str], str], render_view: Callable[[Batch], Tensor]) -> None:
        self._save_path = save_path
        self._render_view = render_view
        self._frames: list[Tensor] = []
        self.manifest: dict[str, Any] = {}

    def add_view(self, batch: Batch) -> None:
        """Keeps an evaluation view's picture for the next grid or turntable."""
        self._frames.append(self._render_view(batch).cpu())

    def write_grid(self, name: str) -> None:
        """The views since the last picture, side by side."""
        grid = torch.cat(self._frames, dim=1)
        self._frames.clear()
        write_png(self._save_path(name), grid)

    def write_turntable(self, name: str, fps: float) -> Path:
        """The views since the last picture, one after another."""
        path = Path(self._save_path(name))
        write_mp4(path, self._frames, fps=fps)
        self._frames.clear()
        return path

    def write_sheet(self, name: str, view: Batch, elevations_deg: Sequence[float]) -> Pictures:
        """Eight azimuths by the elevations, seen as `view` sees."""
        rows = [f"elevation {elevation:g}" for elevation in elevations_deg]
        images = self.look_round(view, elevations_deg).unflatten(0, (len(rows), NUM_AZIMUTHS))
        self.write_table(name, images, rows)
        return Pictures(images, rows, _COLUMNS)

    def write_table(self, name: str, images: Float[Tensor, "R C H W 3"], rows: Sequence[str]) -> None:
        """Rows of views from eight azimuths, with labels."""
        write_png(self._save_path(name), contact_sheet(images, rows, _COLUMNS))

    def look_round(self, view: Batch, elevations_deg: Sequence[float]) -> Float[Tensor, "B size size 3"]:
        """Eight views at each elevation, at the distance, field of view and height of `view`."""
        cameras = sheet_cameras(view, elevations_deg)
        return torch.stack([self._render_view(cameras[i : i + 1].to_batch()).cpu() for i in range(len(cameras))])

    def write_page(self, name: str, summary: RunSummary) -> Path:
        """One page about the run: what is given, and what its folder holds."""
        page = Path(self._save_path(name))
        return write_text(page, summary_html(with_history(summary, self.manifest, page)))

    def write_manifest(self, **facts: Any) -> None:
        """Adds facts to the manifest and writes it."""
        self.manifest |= facts
        write_text(self._save_path("manifest.json"), json.dumps(self.manifest))


def sheet_cameras(view: Batch, elevations_deg: Sequence[float]) -> CameraBatch:
    """Row by row: eight azimuths at each elevation, at the distance, field of view and height of `view`."""
    return contact_sheet_cameras(
        elevations_deg,
        NUM_AZIMUTHS,
        float(view["camera_distances"][0]),
        float(torch.rad2deg(view["fovy"][0])),
        int(view["height"]),
    ).to(view["c2w"].device)
