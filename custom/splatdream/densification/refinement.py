"""Densification by the gradient in a run: the controller, and what is summed up since the last time."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from ..cameras.random_streams import generator_for
from . import statistics
from .controller import DensificationController
from .refinement_config import check_strategy

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
    """

    def __init__(self, config: Any, seed: int, params: MutableMapping[str, nn.Parameter]) -> None:
        self._controller = DensificationController(config)
        self._statistics = statistics.DensificationState()
        self._contributions = torch.zeros(())  # [N] after the first view; a number counts for all
        self._seed = seed
        self._params = params

    def accumulate(self, step: int, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
        if not self._controller.is_collecting(step):
            return
        width, height = int(batch["width"]), int(batch["height"])
        gradient = SCREEN_GRADIENTS[self._controller.config.strategy](rendered["means2d"])
        statistics.accumulate(self._statistics, gradient, rendered["radii"], width, height)
        of_views = rendered["means2d"].contributions.sum(dim=0)
        # A number of the host would make its device wait.
        self._contributions = of_views if self._contributions.ndim == 0 else self._contributions.to(of_views) + of_views

    def refine(self, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        if not self._controller.is_due(step):
            return {}
        report = self._controller.refine(
            step,
            self._params,
            optimizer,
            self._statistics,
            generator_for(self._seed, "split", step),
            lambda: self._contributions.expand(len(self._params["means"])),
        )
        self._contributions = torch.zeros(())
        return {f"densification/{name}": float(value) for name, value in vars(report).items()}

    def state_dict(self) -> dict[str, object]:
        return {
            "strategy": self._controller.config.strategy,
            "statistics": self._statistics.state_dict(),
            "contributions": self._contributions,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """
        Raises:
            ValueError: it is of another strategy.
        """
        check_strategy(self._controller.config, state)
        self._statistics.load_state_dict(state["statistics"])
        self._contributions = state["contributions"]
