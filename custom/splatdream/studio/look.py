"""What of a run is to be seen now: its live Gaussians, or what it had at a saved step; knows nothing of a page."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..assets.base import Asset
from ..export.contact_sheet import contact_sheet
from ..gaussians.cloud import GaussianCloud
from ..viewer.run_window import Shown, answered_ns, read_shown
from .saved_runs import asset_at, checkpoints, cloud_at

_PICTURES = ("render", "noisy", "denoised", "gradient")
_MOST_VIEWS = 4
_SMALLEST_PX = 64
"""Smaller pictures are drawn larger."""


@dataclass(frozen=True)
class Seen:
    """One step of a run."""

    step: int
    cloud: GaussianCloud | None
    live: Shown | None
    """What the run says of the step, if it is under way."""
    asset: Asset | None = None
    """What is drawn where there are no Gaussians: of this step, or of the last one saved."""
    asset_step: int = 0

    @property
    def drawn(self) -> GaussianCloud | Asset | None:
        return self.asset if self.cloud is None else self.cloud


class Look:
    """At one run.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._live: Shown | None = None
        self._changed_ns = 0

    def steps(self) -> list[int]:
        """That are saved."""
        return list(checkpoints(self.folder))

    def live(self) -> Seen | None:
        """The last answer of a run under way; the same object as long as there is no other."""
        changed_ns = answered_ns(self.folder)
        if changed_ns and changed_ns != self._changed_ns:
            self._live, self._changed_ns = read_shown(self.folder), changed_ns
        if self._live is None:
            return None
        last = self.saved() if self._live.cloud is None else None
        drawn = () if last is None else (last.asset, last.asset_step)
        return Seen(self._live.step, self._live.cloud, self._live, *drawn)

    def saved(self, wanted: int | None = None) -> Seen | None:
        """The saved step nearest to one that is wanted, or the last; None where none is saved.

        Raises:
            ValueError: its checkpoint is damaged.
        """
        steps = self.steps()
        if not steps:
            return None
        step = steps[-1] if wanted is None else min(steps, key=lambda each: abs(each - wanted))
        cloud = cloud_at(self.folder, step)
        return Seen(step, cloud, None, None if cloud is not None else asset_at(self.folder, step), step)


def pictures_sheet(shown: Shown) -> Float[Tensor, "height width 3"] | None:
    """The pictures of a step side by side, a row a view; None where it has none."""
    names = [name for name in _PICTURES if name in shown.pictures]
    if not names:
        return None
    images = torch.stack([shown.pictures[name][:_MOST_VIEWS] for name in names], dim=1)
    zoom = max(1, round(_SMALLEST_PX / images.shape[2]))
    return contact_sheet(images, [""] * len(images), names, zoom=zoom)
