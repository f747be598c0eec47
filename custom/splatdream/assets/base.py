"""What a system asks of the thing that it trains. A new kind subclasses `Asset`; no system knows which it has."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..export.model_page import PageModel
from ..gaussians.cloud import GaussianCloud
from ..host import BaseGeometry

Regularizer = Callable[[Mapping[str, Tensor]], Tensor]
"""A renderer's output to a loss."""
SCENE_NAME = "/asset"
"""Of what an asset draws on a `viser` scene."""


@runtime_checkable
class Refinement(Protocol):
    """What changes the number of an asset's parameters in the course of a run; its state goes into the checkpoint."""

    def accumulate(self, step: int, rendered: Mapping[str, Tensor], batch: Mapping[str, Any]) -> None:
        """After the backward pass of the distillation loss alone. `step` counts optimizer steps, this one included."""

    def refine(self, step: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        """After the optimizer step. Returns numbers to log, none where nothing was due."""

    def state_dict(self) -> dict[str, object]:
        """Tensors and plain types."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Asset(BaseGeometry, ABC):
    """threestudio's geometry noun, and what a training step, the pictures and the manifest of a run need beside it."""

    drawn_as: ClassVar[str] = ""
    """What `draw` shows, for whoever looks at it; empty where it is the asset as it is rendered."""

    @abstractmethod
    def params(self) -> MutableMapping[str, nn.Parameter]:
        """What is optimized, by name."""

    @abstractmethod
    def learning_rates(self, epoch: int, step: int) -> dict[str, float]:
        """Of each of `params`, by name."""

    def set_view_pixel(self, size: float) -> None:
        """World units a pixel in the views of training, which the system tells before the first step; 0 is unknown."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """How large it is, e.g. {"gaussians": 4000}; all 0 where there is nothing to train yet."""

    def regularizers(self) -> Mapping[str, Regularizer]:
        """By name; `system.loss.lambda_<name>` is the weight."""
        return {}

    def refinement(self, settings: Mapping[str, Any], seed: int) -> Refinement | None:
        """What adds and removes parameters, if anything does.

        Raises:
            ValueError: settings that contradict each other, or for an asset that is never refined.
        """
        if settings:
            raise ValueError(f"system.densification is not read: {type(self).__name__} keeps its parameters")
        return None

    def after_step(self) -> None:
        """After every optimizer step, e.g. to keep parameters in their range."""

    def page_model(self) -> PageModel | None:
        """What the page about a run shows of it; None leaves the viewer away."""
        return None

    def shown_cloud(self) -> GaussianCloud | None:
        """What whoever watches the run sees of it, on the CPU and without gradients; None where it has no Gaussians."""
        return None

    def draw(self, scene: Any) -> None:
        """Puts it on a `viser` scene, as `SCENE_NAME`; by default nothing is to be seen there."""
