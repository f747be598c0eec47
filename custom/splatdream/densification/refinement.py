"""Densification by the gradient in a run: the controller, what it remembers, and the cameras since the last time."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from ..cameras.batch import CameraBatch
from ..cameras.random_streams import generator_for
from ..gaussians.cloud import GaussianCloud
from ..rendering.contributions import contributions
from . import statistics
from .controller import DensificationController

SCREEN_GRADIENTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gradient": lambda means2d: means2d.grad,
    "absgrad": lambda means2d: means2d.absgrad,
}
"""By strategy: what the backward pass left of the centers in pixels, [B, N, 2]."""


class CloudRefinement:
    """`assets.base.Refinement` of Gaussians.

    Args:
        config: as for the controller.
        params: a view of the raw parameters, which refining replaces.
        seed: of splits.
        cloud: the Gaussians as they are rendered.
    """

    def __init__(
        self, config: Any, seed: int, params: MutableMapping[str, nn.Parameter], cloud: Callable[[], GaussianCloud]
    ) -> None:
        self._controller = DensificationController(config)
        self._statistics = statistics.DensificationState()
        self._seen_cameras: list[CameraBatch] = []
        self._seed = seed
        self._params = params
        self._cloud = cloud

    def accumulate(self, step: int, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
        width, height = int(batch["width"]), int(batch["height"])
        gradient = SCREEN_GRADIENTS[self._controller.config.strategy](rendered["means2d"])
        statistics.accumulate(self._statistics, gradient, rendered["radii"], width, height)
        if self._controller.is_collecting(step):
            self._seen_cameras.append(CameraBatch.from_batch(batch))

    def refine(self, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        if not self._controller.is_due(step):
            return {}
        report = self._controller.refine(
            step,
            self._params,
            optimizer,
            self._statistics,
            generator_for(self._seed, "split", step),
            lambda: contributions(self._cloud(), self._seen_cameras),
        )
        self._seen_cameras.clear()
        return {f"densification/{name}": float(value) for name, value in vars(report).items()}

    def state_dict(self) -> dict[str, object]:
        cameras = [dict(vars(cameras)) for cameras in self._seen_cameras]
        return {"statistics": self._statistics.state_dict(), "seen_cameras": cameras}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._statistics.load_state_dict(state["statistics"])
        self._seen_cameras = [CameraBatch(**cameras) for cameras in state["seen_cameras"]]
